#!/usr/bin/env python3
"""A job over very many files that is killed three times, and a very long recording: is every row there, and how much memory?

    python bench/jobs.py MODEL_DIR [--clips 10000] [--hours 3]

Makes noise in a temporary folder: short clips, every hundredth of them no sound, and one long recording. The job is killed
(SIGKILL) after a random time, three times, and then left to end.
"""

import argparse
import collections
import json
import random
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

EARMARK = Path(__file__).parent.parent / "target/release/earmark"

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model")
parser.add_argument("--clips", type=int, default=10_000)
parser.add_argument("--hours", type=int, default=3)
parser.add_argument("--seed", type=int, default=5)
arguments = parser.parse_args()
noise, moments = np.random.default_rng(0), random.Random(arguments.seed)

with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    (folder / "clips").mkdir()
    for clip in range(arguments.clips):
        path = folder / f"clips/{clip:05}.wav"
        if clip % 100 == 37:
            path.write_bytes(b"RIFF" + noise.bytes(200))
        else:
            soundfile.write(path, noise.uniform(-0.3, 0.3, 4800), 16_000, subtype="PCM_16")
    rows = folder / "rows.jsonl"
    job = [EARMARK, "classify", folder / "clips", "--model", arguments.model, "--top-k", "1", "-q", "-o", rows]
    for _ in range(3):
        with subprocess.Popen(job, stderr=subprocess.DEVNULL) as process:
            time.sleep(moments.uniform(0.4, 2.2))
            process.kill()
        journal = Path(f"{rows}.part")
        print(f"killed; {len(journal.read_text().splitlines()) - 1 if journal.exists() else 'all'} files are done")
    code = subprocess.run(job, stderr=subprocess.DEVNULL).returncode
    said = [json.loads(line) for line in rows.read_text().splitlines()]
    most = max(collections.Counter(row["path"] for row in said).values())
    failed = sum("error" in row for row in said)
    print(f"exit code {code}: {len(said)} rows for {arguments.clips} files, at most {most} for one; {failed} errors")

    with soundfile.SoundFile(folder / "long.wav", "w", 16_000, 1, "PCM_16") as file:
        for _ in range(arguments.hours * 60):
            file.write(noise.uniform(-0.3, 0.3, 16_000 * 60))
    job = [EARMARK, "classify", folder / "long.wav", "--model", arguments.model, "--window", "10s", "--merge"]
    subprocess.run([*job, "-o", folder / "long.rttm"], check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    print(f"{arguments.hours} hours in windows of 10 s: {peak:.0f} MB at most, in either job")
