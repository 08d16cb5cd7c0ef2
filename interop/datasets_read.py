"""Does Python's `datasets` load what `earmark data export` writes, and does earmark read what `datasets` writes?

`datasets_read.py CLIPS` takes a folder with a sub-folder of recordings per class.
"""

import subprocess
import tempfile
from pathlib import Path

import common


def rows(earmark, folder):
    return common.json_lines(
        subprocess.run(
            [earmark, "data", "head", folder, "--format", "jsonl", "-n", "1000000"],
            check=True, stdout=subprocess.PIPE, text=True,
        ).stdout
    )


def main():
    parser = common.parser(__doc__)
    parser.add_argument("clips", type=Path)
    args = parser.parse_args()
    earmark = args.earmark

    from datasets import Audio, load_dataset

    ours = rows(earmark, args.clips)
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        for layout in ["parquet", "folders"]:
            subprocess.run([earmark, "data", "export", args.clips, "-o", work / layout, "--format", layout], check=True)
        cache = str(work / "cache")

        shards = load_dataset(str(work / "parquet"), split="train", cache_dir=cache)
        assert type(shards.features["audio"]) is Audio, shards.features
        names = shards.features["label"].names
        shards = shards.cast_column("audio", Audio(decode=False))
        assert len(shards) == len(ours)
        for row, our in zip(shards, ours):
            assert row["audio"]["path"] == our["name"] and names[row["label"]] == our["label"], (row["label"], our)
            for key, value in our["fields"].items():
                assert row[key] == value or key == "label", (key, row[key], value)
        print(f"{len(ours)} rows of Parquet: names, labels, fields as written")

        try:
            import torchcodec  # noqa: F401
        except (ImportError, RuntimeError):
            print("not checked: class folders, which `datasets` opens only with torchcodec and FFmpeg's libraries")
        else:
            folders = load_dataset(str(work / "folders"), split="train", cache_dir=cache)
            classes = folders.features["label"].names
            folders = folders.cast_column("audio", Audio(decode=False))
            assert len(folders) == len(ours) and classes == names, (len(folders), classes)
            by_class = {name: sum(our["label"] == name for our in ours) for name in names}
            for number, name in enumerate(classes):
                assert sum(label == number for label in folders["label"]) == by_class[name]
            print(f"{len(ours)} files in {len(classes)} class folders")

        # And back: the rows of a shard that `datasets` writes, with its own class labels.
        written = work / "theirs"
        written.mkdir()
        shards.cast_column("audio", Audio()).cast_column("audio", Audio(decode=False)).to_parquet(written / "train.parquet")
        theirs = rows(earmark, written)
        for row, our in zip(theirs, ours, strict=True):
            assert (row["name"], row["label"], row["audio"]) == (our["name"], our["label"], our["audio"]), (row, our)
        print(f"{len(theirs)} rows of a shard that `datasets` wrote: the same sounds and labels")


if __name__ == "__main__":
    main()
