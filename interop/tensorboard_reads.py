"""Does TensorBoard read what a run logged? Compares RUN/tensorboard with RUN/metrics.jsonl, value for value.

python interop/tensorboard_reads.py RUN        (tensorboard 2.21.0)
"""

import json
import pathlib
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TAGS = {
    "loss": "train/loss",
    "lr": "train/learning_rate",
    "grad_norm": "train/grad_norm",
    "eval_loss": "eval/loss",
    "eval_accuracy": "eval/accuracy",
}


def as_f32(value):
    """An event holds 32-bit floats; JSON's null stands for NaN."""
    return struct.pack("<f", float("nan") if value is None else value)


run = pathlib.Path(sys.argv[1])
want = {}
for line in (run / "metrics.jsonl").read_text().splitlines():
    record = json.loads(line)
    for key, tag in TAGS.items():
        if key in record:
            want.setdefault(tag, []).append((record["step"], as_f32(record[key])))

events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
events.Reload()
assert events.file_version == 2, f"file version {events.file_version}"
got = {tag: [(e.step, as_f32(e.value)) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
for tag, points in want.items():
    assert got.get(tag) == points, f"{tag}: {len(got.get(tag, []))} points, expected {len(points)}"
assert want, "metrics.jsonl holds no metric"
print(f"ok {sum(map(len, want.values()))} points of {len(want)} scalars in {run}")
