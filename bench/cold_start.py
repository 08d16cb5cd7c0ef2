#!/usr/bin/env python3
"""From process start to a printed label: `earmark classify` beside `pipeline("audio-classification")`, turn by turn.

    python bench/cold_start.py CLIP.wav MODEL_DIR [MODEL_DIR …] [--rounds 5]

One turn before the counted ones warms the disk's cache. Median of the turns, and of their ratios.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

EARMARK = Path(__file__).parent.parent / "target/release/earmark"
PYTHON = """
import sys, soundfile
from transformers import pipeline
samples, rate = soundfile.read(sys.argv[1], dtype="float32")
print(pipeline("audio-classification", sys.argv[2], device="cpu")({"raw": samples, "sampling_rate": rate})[:1])
"""


def seconds(command):
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("clip", help="a mono WAV file")
parser.add_argument("models", nargs="+")
parser.add_argument("--rounds", type=int, default=5)
arguments = parser.parse_args()
for model in arguments.models:
    ours, theirs = [], []
    for _ in range(arguments.rounds + 1):
        ours.append(seconds([EARMARK, "classify", arguments.clip, "--model", model, "--top-k", "1"]))
        theirs.append(seconds([sys.executable, "-c", PYTHON, arguments.clip, model]))
    ours, theirs = ours[1:], theirs[1:]
    ratio = statistics.median(b / a for a, b in zip(ours, theirs))
    print(f"{model}: {statistics.median(ours):.3f} s here, {statistics.median(theirs):.2f} s there, {ratio:.0f} times")
