"""Does `earmark data` read folders and Parquet as `datasets` does: the same splits, rows and classes, in the same order?

Small trees are made, each read by `load_dataset("audiofolder" | "parquet", data_dir=…)` and by `earmark data`. Where the two
are meant to differ, the tree says how and why: earmark refuses what would be a guess, says what it leaves out, and reads some
things that `datasets` passes over.
"""

import io
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import wave
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import common

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"


def sound(name: str) -> bytes:
    """A twentieth of a second at 8 kHz, another one for every name."""
    period = 20 + zlib.crc32(name.encode()) % 50
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<h", int(8000 * (i % period / period - 0.5))) for i in range(400)))
    return out.getvalue()


@dataclass
class Tree:
    """A folder: sounds by their paths, other files by path and content, shards by path and rows."""

    name: str
    sounds: list = field(default_factory=list)
    files: dict = field(default_factory=dict)
    shards: dict = field(default_factory=dict)
    kind: str = "audiofolder"
    #: The column of the class in `datasets`; the same for earmark when `ask` names it.
    label: str = "label"
    ask: str = ""
    #: earmark refuses: these words, for this reason.
    refused: str = ""
    #: `datasets` refuses, or reads something else; then earmark's rows by split, for this reason.
    ours: dict | None = None
    why: str = ""
    #: Words of a warning.
    said: str = ""
    #: Whether `datasets` draws its own order: of several tables in one split.
    any_order: bool = False


def csv(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def jsonl(*rows: dict) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def parquet(rows: list[dict]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


AB = ["a.wav", "b.wav"]
TABLE = csv("file_name,label", "b.wav,dog", "a.wav,rain")
PLAIN = {"train": [("b.wav", "dog"), ("a.wav", "rain")]}


def table(text: str | bytes, sounds: list = AB, name: str = "metadata.csv", **more) -> dict:
    return {"sounds": sounds, "files": {name: text}, **more}


def shard(rows: list, **features) -> tuple:
    """Rows `(path, label)` or dicts; features of `datasets` by column."""
    return ([row if isinstance(row, dict) else {"path": row[0], "label": row[1]} for row in rows], features)


def classes(*names: str) -> dict:
    from datasets import ClassLabel

    return {"label": ClassLabel(names=list(names))}


def trees() -> list[Tree]:
    dog_rain = ["dog/a.wav", "dog/b.wav", "rain/c.wav"]
    in_splits = ["dog/a.wav", "rain/b.wav"]

    def split(*folders: str) -> list:
        return [f"{folder}/{name}" for folder in folders for name in in_splits]

    ids = [(f"{i}.wav", i % 2) for i in range(4)]
    both = classes("dog", "rain")
    four = [f"{name}.wav" for name in "abcd"]
    found = [
        # Class folders.
        Tree("class folders", dog_rain),
        Tree("order of whole paths", ["rock/a.wav", "rock-n-roll/b.wav", "rock n/c.wav", "Z/z.wav", "ä/ä.wav", "rock/B.wav"]),
        Tree("hidden and special folders", ["dog/A.WAV", "rain/b.wav", "dog/._a.wav", "__MACOSX/dog/x.wav", ".git/y.wav"], {"dog/.DS_Store": "x"}),
        Tree("a folder around them", ["genres/" + name for name in dog_rain]),
        Tree("innermost of two", ["dog/s1/a.wav", "dog/s2/b.wav", "rain/s1/c.wav", "rain/s2/d.wav"], said="folder1"),
        Tree("the outer of two, asked for", ["dog/s1/a.wav", "dog/s2/b.wav", "rain/s1/c.wav", "rain/s2/d.wav"], ask="folder1",
             ours={"train": [("dog/s1/a.wav", "dog"), ("dog/s2/b.wav", "dog"), ("rain/s1/c.wav", "rain"), ("rain/s2/d.wav", "rain")]},
             why="`datasets` has no way to ask"),
        Tree("families and species", ["aves/robin/a.wav", "aves/wren/b.wav", "mammals/fox/c.wav"], said="folder1"),
        Tree("some deeper", ["dog/a.wav", "dog/session2/b.wav", "rain/c.wav"],
             ours={"train": [("dog/a.wav", "dog"), ("dog/session2/b.wav", "dog"), ("rain/c.wav", "rain")]},
             why="`datasets` reads the rows without classes; only the outer folders are on the way to every clip"),
        Tree("all deeper, one name", ["dog/s1/a.wav", "rain/s1/c.wav"],
             ours={"train": [("dog/s1/a.wav", "dog"), ("rain/s1/c.wav", "rain")]},
             why="`datasets` reads the rows without classes; only the outer folders differ"),
        Tree("deeper by two that differ", ["x/dog/a.wav", "x/rain/q/b.wav", "y/dog/c.wav"], refused="folder1",
             why="outer and inner folders could both be meant, and `datasets` takes none"),
        Tree("one beside the classes", [*dog_rain, "x.wav"], ours={"train": [(n, n.split("/")[0]) for n in dog_rain]},
             said="not in a class folder", why="`datasets` drops the classes of all for one file"),
        Tree("no folders", AB, refused="no class folders", why="nothing says a class"),
        Tree("one class", ["dog/a.wav", "dog/b.wav"], refused="only class", why="nothing is told apart"),
        Tree("other sounds", [*dog_rain, "dog/d.m4a", "rain/e.aac"],
             ours={"train": [(n, n.split("/")[0]) for n in ["dog/a.wav", "dog/b.wav", "dog/d.m4a", "rain/c.wav", "rain/e.aac"]]},
             why="`datasets` does not know these endings, and earmark decodes them"),
        Tree("other files", dog_rain, {"dog/notes.txt": "x", "README.md": "x"}, said="notes.txt` is left out"),
        Tree("a kind that is not supported", dog_rain, {"rain/x.wma": "x"}, ours={"train": [(n, n.split("/")[0]) for n in dog_rain]},
             said="this sound format is not supported", why="`datasets` finds out when it decodes"),
        Tree("an archive among them", dog_rain, {"more.zip": b"PK\x05\x06" + bytes(18)}, said="unpack it"),
        # Splits by folder.
        Tree("train and test", split("train", "test")),
        Tree("training, validation, testing", split("training", "validation", "testing")),
        Tree("dev and eval", split("train", "dev", "eval")),
        Tree("val and evaluation", split("train", "val", "evaluation")),
        Tree("valid", split("train", "valid")),
        Tree("keywords with separators", split("my-train_1", "2 test")),
        Tree("below data", split("data/train", "data/test")),
        Tree("train alone", split("train")),
        Tree("test alone", split("test")),
        Tree("a class in one split", ["train/dog/a.wav", "train/rain/b.wav", "test/rain/c.wav", "test/wind/d.wav"]),
        Tree("none of the splits", [*split("train", "test"), "extra/dog/x.wav"], said="none of the splits"),
        Tree("not keywords", split("Train", "tests", "devil"), said="folder1"),
        Tree("split below class", ["dog/train/a.wav", "dog/test/b.wav", "rain/train/c.wav", "rain/test/d.wav"],
             ours={"train": [("dog/train/a.wav", "dog"), ("rain/train/c.wav", "rain")], "test": [("dog/test/b.wav", "dog"), ("rain/test/d.wav", "rain")]},
             why="`datasets` takes the folder of the split as the class"),
        Tree("one keyword in two folders", split("train/train 2", "test/test 2"),
             ours={s: [(f"{s}/{s} 2/dog/a.wav", "dog"), (f"{s}/{s} 2/rain/b.wav", "rain")] for s in ["train", "test"]},
             why="`datasets` has each clip twice, once for each pattern"),
        Tree("two keywords in one path", split("train/dev", "test"), refused="two splits", why="`datasets` puts each clip into both splits"),
        Tree("splits without classes", ["train/a.wav", "train/b.wav", "test/c.wav"], refused="no class folders",
             why="`datasets` takes test as a class, and no class for train"),
        Tree("a class that is called train", ["train/a.wav", "rain/b.wav", "dog/c.wav"],
             ours={"train": [("dog/c.wav", "dog"), ("rain/b.wav", "rain"), ("train/a.wav", "train")]}, said="as a class",
             why="`datasets` reads that folder alone, without a class"),
        # Splits by file name.
        Tree("in file names", ["dog/clip_train_1.wav", "dog/clip_test_1.wav", "rain/clip_train_2.wav", "rain/clip_test_2.wav"]),
        Tree("in some file names", ["dog/train.wav", "rain/train2.wav", "dog/x test.wav", "rain/other.wav", "rain/y-test.wav"], said="none of the splits"),
        Tree("by chance in one name", ["dog/mic test.wav", "dog/b.wav", "rain/c.wav"],
             ours={"train": [("dog/b.wav", "dog"), ("dog/mic test.wav", "dog"), ("rain/c.wav", "rain")]}, said="coincidence",
             why="`datasets` reads one clip of three"),
        # Tables.
        Tree("csv", **table(TABLE)),
        Tree("csv with a BOM", **table("\ufeff" + TABLE)),
        Tree("csv with CRLF", **table(TABLE.replace("\n", "\r\n"))),
        Tree("csv with semicolons", **table(TABLE.replace(",", ";")), ours=PLAIN, why="`datasets` knows commas alone"),
        Tree("csv with tabs", **table(TABLE.replace(",", "\t")), ours=PLAIN, why="`datasets` knows commas alone"),
        Tree("quotes, commas, a line break", **table('file_name,label\n"a,b.wav","wind, strong"\n"c\nd.wav",rain\n', ["a,b.wav", "c\nd.wav"])),
        Tree("short rows", **table(csv("file_name,label,x", "a.wav,dog", "b.wav,rain,1"))),
        Tree("jsonl", **table(jsonl({"file_name": "b.wav", "label": "dog"}, {"file_name": "a.wav", "label": "rain"}), name="metadata.jsonl")),
        Tree("jsonl with a BOM and CRLF", **table("\ufeff" + jsonl({"file_name": "b.wav", "label": "dog"}, {"file_name": "a.wav", "label": "rain"}).replace("\n", "\r\n"), name="metadata.jsonl")),
        Tree("parquet", **table(parquet([{"file_name": "b.wav", "label": "dog"}, {"file_name": "a.wav", "label": "rain"}]), name="metadata.parquet")),
        Tree("parquet, its own row order", **table(parquet([{"file_name": f, "label": l} for f, l in [("c.wav", "x"), ("a.wav", "y"), ("b.wav", "x")]]), ["a.wav", "b.wav", "c.wav"], "metadata.parquet")),
        Tree("audio_file_name", **table(TABLE.replace("file_name", "audio_file_name"))),
        Tree("dots and slashes", **table(csv("file_name,label", "./b.wav,dog", "x//a.wav,rain", "x/../c.wav,dog", "x\\d.wav,rain"), ["x/a.wav", "b.wav", "c.wav", "x/d.wav"])),
        Tree("colons", **table(csv("file_name,label", "10:30:00.wav,dog", "C:x.wav,rain"), ["10:30:00.wav", "C:x.wav"])),
        Tree("one file in two rows", **table(csv("file_name,label", "a.wav,dog", "b.wav,dog", "a.wav,rain"))),
        Tree("a label missing", **table(csv("file_name,label", "a.wav,dog", "b.wav,", "c.wav,rain"), ["a.wav", "b.wav", "c.wav"]), said="no class"),
        Tree("no values of pandas", **table(csv("file_name,label", "a.wav,dog", "b.wav,NA", "c.wav,None", "d.wav,rain"), four), said="no class"),
        Tree("lists of labels", **table(jsonl({"file_name": "a.wav", "labels": ["dog", "rain"]}, {"file_name": "b.wav", "labels": []}), name="metadata.jsonl"),
             label="labels", refused="several classes per clip", why="one class of a set is what is supported"),
        Tree("out of the folder", **table(csv("file_name,label", "../a.wav,dog", "b.wav,rain")), refused="is outside the folder", why="so does `datasets`"),
        Tree("a file that is missing", **table(csv("file_name,label", "a.wav,dog", "z.wav,rain")), refused="no such file", why="`datasets` finds out when it decodes"),
        Tree("not in the table", **table(TABLE, ["a.wav", "b.wav", "c.wav"]), said="no row of the metadata"),
        Tree("a table in each folder", ["dog/a.wav", "rain/b.wav"], {"dog/metadata.csv": csv("file_name,label", "a.wav,x"), "rain/metadata.csv": csv("file_name,label", "b.wav,y")}, any_order=True),
        Tree("two kinds of tables", AB, {"metadata.csv": csv("file_name,label", "a.wav,x"), "metadata.jsonl": jsonl({"file_name": "b.wav", "label": "y"})}, refused="a table in another format", why="so does `datasets`"),
        Tree("a table in each split", ["train/a.wav", "train/b.wav", "test/a.wav"], {"train/metadata.csv": TABLE, "test/metadata.csv": csv("file_name,label", "a.wav,dog")}),
        Tree("a table above the splits", ["train/a.wav", "train/b.wav", "test/a.wav"], {"metadata.csv": csv("file_name,label", "train/b.wav,dog", "train/a.wav,rain", "test/a.wav,dog")},
             ours={"train": [("train/b.wav", "dog"), ("train/a.wav", "rain")], "test": [("test/a.wav", "dog")]}, why="`datasets` ignores that table, and takes test as a class"),
        Tree("a table in one split", ["train/dog/a.wav", "train/rain/b.wav", "test/c.wav"], {"test/metadata.csv": csv("file_name,label", "c.wav,dog")},
             refused="no clip of the split `train`", why="folders in one split and a table in another are two ways to say the class"),
        Tree("durations", **table(csv("file_name,duration", "a.wav,0.5", "b.wav,0.7")), refused="`duration` (2 numbers", why="numbers are no classes", label=""),
        Tree("transcriptions", **table(csv("file_name,transcription", *(f"{n},{t}" for n, t in zip(four, ["hello there", "good bye", "thanks", "hello there"]))), four), refused="`transcription` (3 values", why="sentences are no classes", label=""),
        Tree("a column of any name", **table(csv("file_name,species", *(f"{n},{t}" for n, t in zip(four, ["crow", "wren", "crow", "wren"]))), four), label="species"),
        Tree("language and species", **table(csv("file_name,species,language", *(f"{n},{t}" for n, t in zip(four, ["crow,en", "wren,de", "crow,de", "wren,en"]))), four), refused="--label-column", why="either could be meant", label=""),
        Tree("language, asked for", **table(csv("file_name,species,language", *(f"{n},{t}" for n, t in zip(four, ["crow,en", "wren,de", "crow,de", "wren,en"]))), four), label="language", ask="language"),
        Tree("folders where no column is", **table(csv("file_name,duration", "dog/a.wav,1", "rain/b.wav,2"), ["dog/a.wav", "rain/b.wav"]),
             ours={"train": [("dog/a.wav", "dog"), ("rain/b.wav", "rain")]}, why="`datasets` has no class then", label=""),
        Tree("one class in a table", **table(csv("file_name,label", "a.wav,dog", "b.wav,dog")), refused="only class", why="nothing is told apart"),
        # Shards.
        Tree("train-00000-of-00001", shards={"train-00000-of-00001.parquet": shard(ids, **both)}, kind="parquet"),
        Tree("data/ with three splits", shards={f"data/{s}-00000-of-00001.parquet": shard(ids, **both) for s in ["train", "test", "validation"]}, kind="parquet"),
        Tree("two shards of a split", shards={f"data/train-0000{i}-of-00002.parquet": shard([(f"{i}{p}", l) for p, l in ids], **both) for i in range(2)}, kind="parquet"),
        Tree("splits of other names", shards={f"data/{s}-00000-of-00001.parquet": shard(ids, **both) for s in ["night", "day.2"]}, kind="parquet"),
        Tree("train.parquet and test.parquet", shards={f"{s}.parquet": shard(ids, **both) for s in ["train", "test"]}, kind="parquet"),
        Tree("shards in folders of splits", shards={f"{s}/0.parquet": shard(ids, **both) for s in ["train", "dev"]}, kind="parquet"),
        Tree("shards of no split", shards={f"{s}.parquet": shard([(s + p, l) for p, l in ids], **both) for s in "ab"}, kind="parquet"),
        Tree("a shard of no split beside one", shards={"train.parquet": shard(ids, **both), "more.parquet": shard(ids, **both)}, kind="parquet", said="none of the splits"),
        Tree("one path for all", shards={"train.parquet": shard([("audio.wav", 0), ("audio.wav", 1), ("audio.wav", 0)], **both)}, kind="parquet"),
        Tree("no paths", shards={"train.parquet": shard([(None, 0), (None, 1)], **both)}, kind="parquet"),
        Tree("a label of -1", shards={"train.parquet": shard([("a.wav", 0), ("b.wav", -1), ("c.wav", 1)], **both)}, kind="parquet", said="no class"),
        Tree("a null label", shards={"train.parquet": shard([("a.wav", 0), ("b.wav", None), ("c.wav", 1)], **both)}, kind="parquet", said="no class"),
        Tree("labels as text", shards={"train.parquet": shard([("a.wav", "rain"), ("b.wav", "dog"), ("c.wav", "rain")])}, kind="parquet"),
        Tree("labels as numbers", shards={"train.parquet": shard([("a.wav", 10), ("b.wav", 2), ("c.wav", 10)])}, kind="parquet"),
        Tree("labels as lists", shards={"train.parquet": shard([("a.wav", ["dog", "rain"]), ("b.wav", ["dog"])])}, kind="parquet",
             refused="several classes per clip", why="one class of a set is what is supported"),
        Tree("two kinds of classes", shards={"train.parquet": shard([{"path": p, "mood": "xy"[i // 2], "word": "uv"[l]} for i, (p, l) in enumerate(ids)])}, kind="parquet",
             refused="--label-column", why="either could be meant", label=""),
    ]
    return found


def plant(tree: Tree, root: Path) -> None:
    for name in tree.sounds:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sound(name))
    for name, content in tree.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for name, (rows, features) in tree.shards.items():
        import pyarrow as pa
        import pyarrow.parquet as pq

        others = [key for key in rows[0] if key != "path"]
        columns = {
            "audio": pa.array([{"bytes": sound(f"{name} {i}"), "path": row["path"]} for i, row in enumerate(rows)],
                              pa.struct({"bytes": pa.binary(), "path": pa.string()})),
            **{key: pa.array([row[key] for row in rows]) for key in others},
        }
        info = {"audio": {"_type": "Audio"}}
        for key in others:
            dtype = str(columns[key].type)
            value = {"dtype": "string" if dtype.startswith("list") else dtype, "_type": "Value"}
            info[key] = {"feature": value, "_type": "List"} if dtype.startswith("list") else value
            if key in features:
                info[key] = {"names": features[key].names, "_type": "ClassLabel"}
        made = pa.table(columns)
        made = made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": info}})})
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(made, path)


def theirs(tree: Tree, root: Path, cache: str) -> dict:
    """Rows by split, as `datasets` reads them: path and class."""
    from datasets import Audio, ClassLabel, load_dataset

    rows = {}
    for split, data in load_dataset(tree.kind, data_dir=str(root), cache_dir=cache).items():
        names = data.features.get(tree.label)
        data = data.cast_column("audio", Audio(decode=False))
        found = []
        for row in data:
            path, label = row["audio"]["path"], row.get(tree.label)
            if tree.kind == "audiofolder" and path:
                path = os.path.relpath(path, root)
            if isinstance(names, ClassLabel) and label is not None:
                label = names.names[label] if label >= 0 else None
            found.append((path, label))
        rows[str(split)] = found
    return rows


def ours(tree: Tree, root: Path, earmark: str) -> tuple[dict | None, str]:
    """Rows by split, as earmark reads them, and what it said; no rows when it refused."""
    column = ["--label-column", tree.ask] if tree.ask else []

    def run(*args) -> subprocess.CompletedProcess:
        command = [earmark, "data", args[0], str(root), *args[1:], *column, "--offline"]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    info = run("info")
    if info.returncode == 1:
        return None, info.stderr
    line = re.search(r"^splits +(.*)$", info.stdout, re.M)
    counts = {part.rsplit(" ", 1)[0]: int(part.rsplit(" ", 1)[1]) for part in line[1].split(", ")} if line else {"train": None}
    rows = {}
    for split, count in counts.items():
        head = run("head", "--split", split, "-n", "1000", "--format", "jsonl")
        assert head.returncode in (0, 3), head.stderr
        found = common.json_lines(head.stdout)
        assert count in (None, len(found)), (count, found)
        rows[split] = [(row["name"], row["label"]) for row in found]
    refused = run("head", "--split", "nonsense")
    assert refused.returncode == 1 and all(split in refused.stderr for split in rows), refused.stderr
    return rows, info.stderr


def plain(rows: dict, any_order: bool) -> dict:
    """The path that a row says, without what tells rows of one path apart; numbers as text; nothing for rows without a class."""
    out = {}
    for split, found in rows.items():
        seen = [
            (re.sub(r"#\d+$", "", re.sub(r"^[^#]*\.parquet#\d+/", "", path or "")), str(label))
            for path, label in found
            if label is not None
        ]
        seen = [(re.sub(r"^row-\d{6}$", "", path), label) for path, label in seen]
        out[split] = sorted(seen) if any_order else seen
    return out


def check(tree: Tree, earmark: str) -> str | None:
    """What is wrong, or nothing."""
    with tempfile.TemporaryDirectory() as work:
        root = Path(work, "tree")
        root.mkdir()
        plant(tree, root)
        try:
            want = theirs(tree, root, str(Path(work, "cache")))
        except Exception as error:  # noqa: BLE001: whatever it is, it is a refusal
            want = error
        got, said = ours(tree, root, earmark)
    if tree.refused:
        if got is not None:
            return f"read, and not refused: {got}"
        return None if tree.refused in said else f"refused, but not for `{tree.refused}`: {said}"
    if got is None:
        return f"refused: {said}"
    names = [path for rows in got.values() for path, _ in rows]
    if len(set(names)) != len(names) and tree.kind == "audiofolder":
        return f"two rows have one name: {names}"
    for rows in got.values():
        names = [path for path, _ in rows]
        if len(set(names)) != len(names):
            return f"two rows have one name: {names}"
    if tree.said not in said:
        return f"it did not say `{tree.said}`: {said}"
    got = plain(got, tree.any_order)
    if tree.ours is not None:
        if not isinstance(want, Exception) and plain(want, tree.any_order) == plain(tree.ours, tree.any_order):
            return "said to differ from `datasets`, and does not"
        want = tree.ours
    if isinstance(want, Exception):
        return f"`datasets` refuses: {want!r}"
    want = plain(want, tree.any_order)
    return None if (list(got), got) == (list(want), want) else f"\n    datasets {want}\n    earmark  {got}"


def main():
    parser = common.parser(__doc__)
    parser.add_argument("only", nargs="*", help="names of trees")
    args = parser.parse_args()

    import datasets
    from datasets import Audio

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    try:
        import torch  # noqa: F401
        import torchcodec  # noqa: F401
    except (ImportError, RuntimeError):
        # `Audio.encode_example` imports both to write samples. Paths need neither: this is its branch for them.
        Audio.encode_example = lambda self, path: {"bytes": None, "path": path}

    chosen = [tree for tree in trees() if not args.only or tree.name in args.only]
    wrong = 0
    for tree in chosen:
        problem = check(tree, args.earmark)
        wrong += problem is not None
        how = "refused" if tree.refused else "differs" if tree.ours is not None else "same"
        print(f"{'ok' if problem is None else 'FAILED':7} {how:8} {tree.name}" + (f"  ({tree.why})" if tree.why else ""))
        if problem:
            print(f"    {problem}")
    print(f"{len(chosen) - wrong} of {len(chosen)} trees")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
