"""Reads the datasets from their files as the Hub's scripts and `datasets` do, with soundfile as the decoder."""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from datasets import Audio, ClassLabel, Dataset, load_dataset


@dataclass
class Clip:
    path: str
    label: str
    samples: np.ndarray
    rate: int


def decoded(path: str, label: str, data: bytes) -> Clip:
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    return Clip(path, label, samples, rate)


def rows(repo: Path, shards: list[Path]) -> Dataset:
    files, cache = {"train": list(map(str, shards))}, str(repo.parent / "cache")
    table = load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
    return table.cast_column("audio", Audio(decode=False))


def minds14(repo: Path, downloads: Path) -> list[Clip]:
    table = rows(repo, [repo / "en-AU/train-00000-of-00001.parquet"])
    name = table.features["intent_class"].int2str
    return [decoded(row["path"], name(row["intent_class"]), row["audio"]["bytes"]) for row in table]


def esc50(repo: Path, downloads: Path) -> list[Clip]:
    table = rows(repo, sorted((repo / "data").glob("*.parquet")))
    return [decoded(row["filename"], row["category"], row["audio"]["bytes"]) for row in table]


def contents(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {entry.name.removeprefix("./"): tar.extractfile(entry).read() for entry in tar if entry.isfile()}


def speech_commands(repo: Path, downloads: Path) -> list[Clip]:
    """The words of the testing list."""
    files = contents(downloads / "speech_commands_v0.02.tar.gz")
    testing = files["testing_list.txt"].decode().split()
    return [decoded(name, name.split("/")[0], files[name]) for name in testing]


def fleurs(repo: Path, downloads: Path, languages: dict[str, str]) -> list[Clip]:
    """`languages`: the name of each code."""
    clips = []
    for code, language in languages.items():
        table = (repo / f"data/{code}/test.tsv").read_text().splitlines()
        known = {row.split("\t")[1] for row in table}
        for name, data in contents(repo / f"data/{code}/audio/test.tar.gz").items():
            if name.split("/")[-1] in known:
                clips.append(decoded(f"{code}/{name}", language, data))
    return clips


def gtzan(repo: Path, downloads: Path) -> list[Clip]:
    """The course's `train_test_split`, its test part in order."""
    files = contents(repo / "data/genres.tar.gz")
    names = sorted(name.removeprefix("genres/") for name in files if not name.split("/")[-1].startswith("._"))
    names.remove("jazz/jazz.00054.wav")
    genres = sorted({name.split("/")[0] for name in names})
    table = Dataset.from_dict({"file": names, "genre": [genres.index(name.split("/")[0]) for name in names]})
    table = table.cast_column("genre", ClassLabel(names=genres))
    held_out = table.train_test_split(seed=42, shuffle=True, test_size=0.1)["test"]
    name = held_out.features["genre"].int2str
    return [decoded(row["file"], name(row["genre"]), files[f"genres/{row['file']}"]) for row in held_out]
