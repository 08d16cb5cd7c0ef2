"""Writes the five datasets in miniature, each in the layout that it is published in, with as many clips where it says how many.

A writer takes the classes, in the order of their numbers, and makes the repository below `repo`, and below `downloads` what
comes from elsewhere.
"""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow
from datasets import Audio, ClassLabel, Features, Value
from pyarrow import parquet

from published.sounds import sound, wav


def archive(path: Path, files: list[tuple[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def shard(path: Path, rows: list[dict], features: dict) -> None:
    """Parquet with the schema and the notes of `datasets`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = Features(features | {"audio": Audio()}).arrow_schema
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), path, row_group_size=100)


def minds14(repo: Path, downloads: Path, intents: list[str], languages: list[str], rng: np.random.Generator) -> None:
    """`PolyAI/minds14`, of which `en-AU` has 654 rows, in a shard."""
    rows, clips = [], 654
    for clip in range(clips):
        intent = int(rng.integers(len(intents)))
        path = f"en-AU~{intents[intent].upper()}/{clip:04}.wav"
        samples = sound(intent, len(intents), 8_000, rng.uniform(0.2, 0.6), rng)
        rows.append({
            "path": path, "audio": {"bytes": wav(samples, 8_000), "path": path}, "transcription": "hello",
            "english_transcription": "hello", "intent_class": intent, "lang_id": languages.index("en-AU"),
        })
    text = Value("string")
    shard(repo / "en-AU/train-00000-of-00001.parquet", rows, {
        "path": text, "transcription": text, "english_transcription": text,
        "intent_class": ClassLabel(names=intents), "lang_id": ClassLabel(names=languages),
    })


def which_set(speaker: str) -> str:
    """The rule of Speech Commands' README."""
    most = 2**27 - 1
    percentage = int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % (most + 1) * (100.0 / most)
    return "validation" if percentage < 10 else "testing" if percentage < 20 else "training"


def speech_commands(repo: Path, downloads: Path, words: list[str], rng: np.random.Generator) -> None:
    """The makers' archive: 11,005 files of the testing list, and a few of the others."""
    files: list[tuple[str, bytes]] = [("./README.md", b"text")]
    lists = {"training": [], "validation": [], "testing": []}
    most = {"training": 35, "validation": 35, "testing": 11_005}
    noise = sound(0, len(words), 16_000, 1.0, rng)
    files.append(("./_background_noise_/running_tap.wav", wav(noise, 16_000)))
    while any(len(lists[name]) < most[name] for name in lists):
        speaker = f"{int(rng.integers(2**32)):08x}"
        names = lists[which_set(speaker)]
        left = most[which_set(speaker)] - len(names)
        for number in rng.permutation(len(words))[:left]:
            name = f"{words[number]}/{speaker}_nohash_{int(rng.integers(3))}.wav"
            samples = sound(int(number), len(words), 16_000, rng.uniform(0.08, 0.3), rng)
            files.append((f"./{name}", wav(samples, 16_000)))
            names.append(name)
    for name in ("validation", "testing"):
        files.append((f"./{name}_list.txt", "".join(f"{line}\n" for line in sorted(lists[name])).encode()))
    archive(downloads / "speech_commands_v0.02.tar.gz", files)


def fleurs(repo: Path, downloads: Path, codes: list[str], rng: np.random.Generator) -> None:
    """The test split of `google/fleurs`: a table and an archive for each language."""
    for number, code in enumerate(codes):
        rows, files = [], []
        for clip in range(3):
            name = f"{int(rng.integers(10**18, 2**63))}.wav"
            # Up to more than the model's second.
            samples = sound(number, len(codes), 16_000, rng.uniform(0.3, 1.3), rng)
            files.append((f"test/{name}", wav(samples, 16_000)))
            row = [clip, name, 'He said: "Hello."', "he said hello", "h e", len(samples), ["MALE", "FEMALE"][clip % 2]]
            rows.append("\t".join(map(str, row)) + "\n")
        archive(repo / f"data/{code}/audio/test.tar.gz", files)
        rng.shuffle(rows)
        (repo / f"data/{code}/test.tsv").write_text("".join(rows))


def esc50(repo: Path, downloads: Path, categories: list[str], rng: np.random.Generator) -> None:
    """`ashraq/esc50`: 2,000 rows in two shards."""
    rows = []
    for target, category in enumerate(categories):
        for clip in range(40):
            fold, source, take = clip // 8 + 1, 100_000 + 40 * target + clip // 2, "AB"[clip % 2]
            name = f"{fold}-{source}-{take}-{target}.wav"
            samples = sound(target, len(categories), 44_100, rng.uniform(0.2, 0.9), rng)
            rows.append({
                "filename": name, "fold": fold, "target": target, "category": category, "esc10": category == "dog",
                "src_file": source, "take": take, "audio": {"bytes": wav(samples, 44_100), "path": None},
            })
    rows.sort(key=lambda row: row["filename"])
    text, number = Value("string"), Value("int64")
    features = {
        "filename": text, "fold": number, "target": number, "category": text, "esc10": Value("bool"),
        "src_file": number, "take": text,
    }
    for part, name in enumerate(["00000-of-00002-2f1ab7b824ec751f", "00001-of-00002-27425e5c1846b494"]):
        shard(repo / f"data/train-{name}.parquet", rows[1000 * part : 1000 * (part + 1)], features)


def gtzan(repo: Path, downloads: Path, genres: list[str], rng: np.random.Generator) -> None:
    """`marsyas/gtzan`: an archive of 1,000 files, of which one is damaged, with the companions that macOS adds."""
    files = []
    for number, genre in enumerate(genres):
        for clip in range(100):
            name = f"{genre}.{clip:05}.wav"
            # Some are a little longer than the half minute that they are cut to.
            seconds = 30.3 if rng.uniform() < 0.04 else rng.uniform(0.3, 0.9)
            data = wav(sound(number, len(genres), 22_050, seconds, rng), 22_050)
            files.append((f"genres/{genre}/._{name}", b"Mac OS X"))
            files.append((f"genres/{genre}/{name}", b"damaged" if name == "jazz.00054.wav" else data))
    rng.shuffle(files)
    archive(repo / "data/genres.tar.gz", files)
