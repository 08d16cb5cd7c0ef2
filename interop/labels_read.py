"""Do programs that read labels of recordings read what `earmark classify` writes for them?

`labels_read.py MODEL CLIPS`: a classifier's folder, and a folder with recordings. Needs crowsetta and pandas alone.
"""

import subprocess
import tempfile
from pathlib import Path

import common
import crowsetta
import pandas

WINDOW = ["--window", "250ms", "--top-k", "2"]


def classify(args, form, output):
    command = [args.earmark, "classify", args.clips, "--model", args.model, *WINDOW, "--format", form, "-o", output]
    subprocess.run([*map(str, command), "--device", "cpu", "--offline"], check=True)


def near(ours, theirs, tolerance=1e-6):
    assert abs(ours - theirs) <= tolerance, (ours, theirs)


def main():
    parser = common.parser(__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("clips", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        classify(args, "jsonl", work / "rows.jsonl")
        rows = common.json_lines((work / "rows.jsonl").read_text())
        paths = list(dict.fromkeys(row["path"] for row in rows))
        marks = {path: [] for path in paths}
        for row in rows:
            marks[row["path"]] += [(row["start"], row["end"], p["label"], p["score"]) for p in row["predictions"]]
        durations = {row["path"]: row["duration"] for row in rows}
        names = {path: Path(path).relative_to(args.clips).with_suffix("") for path in paths}

        # A track of Audacity for each recording: the label is the class and its score.
        classify(args, "audacity", f"{work}/audacity/")
        for path in paths:
            track = crowsetta.formats.by_name("aud-seq").from_file(work / "audacity" / f"{names[path]}.txt")
            assert len(track.labels) == len(marks[path])
            for start, end, label, (s, e, name, score) in zip(track.start_times, track.end_times, track.labels, marks[path]):
                near(s, start), near(e, end)
                assert label == f"{name} {score:.2f}", (label, name, score)
        print(f"ok      {len(paths)} Audacity label tracks, by crowsetta")

        # A table of Raven for each recording, and one of all: times run through the files there.
        classify(args, "raven", f"{work}/raven/")
        classify(args, "raven", work / "all.txt")
        whole = pandas.read_csv(work / "all.txt", sep="\t")
        begins = number = 0
        for path in paths:
            table = work / "raven" / f"{names[path]}.selections.txt"
            boxes = crowsetta.formats.by_name("raven").from_file(table, annot_col="Common Name").to_bbox()
            scores = pandas.read_csv(table, sep="\t")["Confidence"]
            assert len(boxes) == len(marks[path])
            for box, confidence, (start, end, label, score) in zip(boxes, scores, marks[path]):
                near(start, box.onset), near(end, box.offset), near(score, confidence, 6e-5)
                assert box.label == label and box.low_freq == 0 and box.high_freq > 0
                row = whole.iloc[number]
                near(begins + start, row["Begin Time (s)"], 1e-5), near(start, row["File Offset (s)"])
                assert row["Selection"] == number + 1 and Path(row["Begin Path"]) == Path(path).absolute()
                assert row["Species Code"] == label and row["Begin File"] == Path(path).name
                number += 1
            begins += durations[path]
        assert number == len(whole)
        print(f"ok      {len(paths)} Raven selection tables, by crowsetta, and one of all, by pandas")

        # The csv of all, and that of each.
        classify(args, "csv", work / "all.csv")
        classify(args, "csv", f"{work}/csv/")
        whole = pandas.read_csv(work / "all.csv", keep_default_na=False)
        parts = pandas.concat(pandas.read_csv(work / "csv" / f"{names[path]}.csv", keep_default_na=False) for path in paths)
        assert whole.equals(parts.reset_index(drop=True))
        flat = [(path, *mark) for path in paths for mark in marks[path]]
        for row, (path, start, end, label, score) in zip(whole.itertuples(), flat, strict=True):
            assert (row.path, row.start, row.end, row.label) == (path, start, end, label)
            near(score, row.score, 1e-7)
        print(f"ok      {len(whole)} rows of csv, by pandas")


if __name__ == "__main__":
    main()
