"""Writes orders.json: what numpy, torch and datasets make of (n, seed), for tests/data/split.rs.

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


def main():
    datasets.disable_progress_bars()
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
    lines = []
    for key, value in golden.items():
        if key == "gtzan":
            lines.append(f'"{key}": {json.dumps(value)}')
        else:
            rows = ",\n".join(json.dumps(row) for row in value)
            lines.append(f'"{key}": [\n{rows}\n]')
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (pathlib.Path(__file__).parent / "orders.json").write_text(text)


if __name__ == "__main__":
    main()
