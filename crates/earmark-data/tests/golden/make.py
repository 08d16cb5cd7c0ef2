"""Writes orders.json and splits.json: what numpy, torch and datasets make of (n, seed), for tests/data/split.rs.

Run with numpy 2.4, torch 2.9.0 and datasets 5.2.0 (any platform gives the same file): python make.py
"""

import json
import pathlib
import random

import datasets
import numpy
import torch

MASK = (1 << 64) - 1


def digest(order):
    """h = 31 h + x over the whole list, modulo 2^64; tests/data/split.rs has the same three lines."""
    h = 0
    for x in order:
        h = (31 * h + int(x) + 1) & MASK
    return h


def summary(order):
    order = [int(x) for x in order]
    return {"first": order[:3], "digest": digest(order)}


def split(n, test_size, seed):
    data = datasets.Dataset.from_dict({"i": list(range(n))})
    try:
        parts = data.train_test_split(test_size, seed=seed)
    except ValueError:
        return None
    return {"train": summary(parts["train"]["i"]), "test": summary(parts["test"]["i"])}


def parts(data, shuffle=True, stratify=None, **arguments):
    try:
        parts = data.train_test_split(shuffle=shuffle, stratify_by_column=stratify, **arguments)
    except ValueError:
        return None
    return {name: ends(parts[name]["i"]) for name in ("train", "test")}


def ends(order):
    return {"clips": len(order), "first": order[:2], "last": order[-2:], "digest": digest(order)}


def seed(draw):
    return draw.getrandbits(draw.choice([8, 16, 32, 48, 63, 64]))


def sizes(draw, n):
    """test_size, train_size or both, as fractions and as numbers of clips; some of them impossible."""

    def size():
        share = round(draw.uniform(0.001, 0.999), draw.choice([1, 2, 3, 17]))
        return draw.choice([share, share, draw.randrange(0, n + 2)])

    return draw.choice([{"test_size": size()}, {"train_size": size()}, {"test_size": size(), "train_size": size()}])


def part_cases(draw):
    """Plain splits, in shuffled order and in that of the data."""
    cases = [(draw.randrange(1, 3000), None, seed(draw)) for _ in range(200)]
    # Fractions whose products end a bit above or below a whole number.
    exact = [
        (100, {"test_size": 0.07, "train_size": 0.93}), (1000, {"train_size": 0.29}), (1000, {"test_size": 0.07}),
        (10, {"test_size": 0.7, "train_size": 0.3}), (3, {"test_size": 0.1, "train_size": 0.95}), (1, {"train_size": 0.5}),
        (10, {"train_size": 0.05}), (10, {"test_size": 5, "train_size": 5}), (10, {"test_size": 5, "train_size": 6}),
        (10, {"train_size": 10}), (10, {"train_size": 0}), (10, {"train_size": 1.0}), (10, {"test_size": 0.5, "train_size": 1}),
    ]
    cases += [(n, wanted, 42) for n, wanted in exact]
    rows = []
    for n, wanted, of in cases:
        wanted = wanted or sizes(draw, n)
        shuffle = draw.random() < 0.8
        data = datasets.Dataset.from_dict({"i": list(range(n))})
        rows.append({"n": n, "seed": of, "shuffle": shuffle, **wanted, "parts": parts(data, shuffle, seed=of, **wanted)})
    return rows


def stratified_cases(draw):
    """Labels are those of the test: clip i has class classes[(i * i + 3 * i) // 2 % len(classes)]."""
    rows = []

    def case(n, classes, of, wanted):
        labels = [classes[(i * i + 3 * i) // 2 % len(classes)] for i in range(n)]
        names = datasets.ClassLabel(num_classes=max(classes) + 1)
        data = datasets.Dataset.from_dict(
            {"i": list(range(n)), "label": labels},
            features=datasets.Features({"i": datasets.Value("int64"), "label": names}),
        )
        got = parts(data, stratify="label", seed=of, **wanted)
        rows.append({"n": n, "classes": classes, "seed": of, **wanted, "parts": got})

    for _ in range(80):
        n, k = draw.randrange(8, 1500), draw.randrange(1, 12)
        # Uneven classes: a class that occurs more often in the list has more clips.
        classes = [draw.randrange(k) for _ in range(draw.randrange(k, 4 * k + 1))]
        case(n, classes, seed(draw), sizes(draw, n))
    # Many classes of equal size: nearly all of a part is decided by ties.
    for n, k in [(400, 100), (403, 100), (999, 10), (2000, 50), (1024, 256), (300, 3)]:
        for wanted in [{"test_size": 0.1}, {"test_size": 0.333}, {"train_size": 0.5}, {"test_size": 0.3, "train_size": 0.31}]:
            case(n, list(range(k)), seed(draw), wanted)
    case(6, [0, 0, 0, 0, 0, 1], 1, {"test_size": 0.5})  # a class of one clip
    case(40, [0, 3, 9], 7, {"test_size": 0.2})  # numbers without clips between the classes
    return rows


def choices(draw):
    """Generator.choice itself: Floyd's algorithm, and the partial shuffle above 10000."""
    pairs = [(1, 0), (1, 1), (2, 1), (5, 5), (100, 60), (10000, 400), (10001, 200), (10001, 201), (10001, 10001), (20000, 700)]
    pairs += [(n, draw.randrange(0, n + 1)) for n in (draw.randrange(1, 400) for _ in range(20))]
    rows = []
    for n, size in pairs:
        of = seed(draw)
        rng = numpy.random.default_rng(of)
        order = [int(x) for x in rng.choice(numpy.arange(n), size=size, replace=False)]
        rows.append({"n": n, "size": size, "seed": of, **ends(order), "next": int(rng.integers(2**32))})
    return rows


def shuffles(draw):
    rows = []
    for _ in range(40):
        n, of = draw.randrange(1, 3000), seed(draw)
        data = datasets.Dataset.from_dict({"i": list(range(n))})
        rows.append({"n": n, "seed": of, **ends(data.shuffle(seed=of)["i"])})
    return rows


def write(name, golden):
    """One case a line."""
    tables = []
    for key, value in golden.items():
        if key == "gtzan":
            tables.append(f'"{key}": {json.dumps(value)}')
        else:
            rows = ",\n".join(json.dumps(row) for row in value)
            tables.append(f'"{key}": [\n{rows}\n]')
    text = "{\n" + ",\n".join(tables) + "\n}\n"
    (pathlib.Path(__file__).parent / name).write_text(text)


def main():
    datasets.disable_progress_bars()
    draw = random.Random(1846)
    splits = {"parts": part_cases(draw), "stratified": stratified_cases(draw), "shuffles": shuffles(draw)}
    write("splits.json", {**splits, "choices": choices(draw)})

    draw = random.Random(2023)
    seeds = [0, 1, 42, 2**31, 2**32 - 1, 2**32, 2**32 + 42, 2**63, MASK]
    pairs = [(n, seed) for n in (0, 1, 2, 3, 256, 257) for seed in (0, 42, MASK)]
    pairs += [(899, 42 + epoch) for epoch in range(10)]
    pairs += [(n, seed) for n in (625, 999) for seed in seeds]
    pairs += [(draw.randrange(4, 2000), draw.getrandbits(draw.choice([8, 16, 32, 48, 64]))) for _ in range(150)]

    splits = []
    for _ in range(60):
        n, seed = draw.randrange(1, 1200), draw.getrandbits(draw.choice([8, 32, 63]))
        size = draw.choice([0.1, 0.15, 0.2, 0.25, 0.33, 0.5, 0.9, 0.999, draw.randrange(0, n + 2)])
        splits.append((n, size, seed))
    splits += [(1, 0.1, 0), (2, 0.5, 0), (10, 0.0, 0), (10, 1.0, 0), (10, 0, 0), (10, 10, 0), (10, 9, 0), (3, 0.7, 1)]

    golden = {
        "gtzan": [int(x) for x in numpy.random.default_rng(42).permutation(999)],
        "permutations": [
            {"n": n, "seed": seed, **summary(numpy.random.default_rng(seed).permutation(n))} for n, seed in pairs
        ],
        "randperms": [
            {"n": n, "seed": seed, **summary(torch.randperm(n, generator=torch.Generator().manual_seed(seed)))}
            for n, seed in pairs
        ],
        "splits": [
            {"n": n, "test_size": size, "seed": seed, "parts": split(n, size, seed)} for n, size, seed in splits
        ],
    }
    write("orders.json", golden)


if __name__ == "__main__":
    main()
