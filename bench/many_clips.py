#!/usr/bin/env python3
"""Trains on very many tiny clips, and prints how long the first step waits and how much memory the run takes meanwhile.

    cargo build --release -p earmark-cli
    python bench/many_clips.py [--clips 100000] [--seconds 0.1] [--steps 3000] [--binary FILE] [-- ARGS of `earmark train`]

The clips are noise, in ten classes of 16 kHz WAV, made once below --folder. The network is the small one of the built-in sample. A line is
printed at the first step and ten times after it: seconds, steps, the resident set and its peak. Linux only; it needs nothing
installed.
"""

import argparse
import array
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
import wave
from pathlib import Path

RATE = 16_000
CLASSES = 10


def make(folder: Path, clips: int, seconds: float) -> None:
    """Writes the clips that are missing."""
    draws = random.Random(0)
    samples = int(seconds * RATE)
    noise = array.array("h", (int(draws.gauss(0, 3000)) for _ in range(10 * samples)))
    for number in range(clips):
        path = folder / f"class{number % CLASSES}" / f"{number:06}.wav"
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        start = draws.randrange(9 * samples)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            # No two clips are equal.
            file.writeframes(noise[start : start + samples].tobytes()[:-4] + number.to_bytes(4, "little"))


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def steps_done(log: Path) -> int:
    """The last step in metrics.jsonl."""
    if not log.exists():
        return 0
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - 1000, 0))
        lines = file.read().decode().split("\n")[:-1]
    # The first may be cut, where more lines are before it.
    return json.loads(lines[-1])["step"] if lines else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--steps", type=int, default=3000, help="stop after so many steps")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "earmark-many-clips")
    parser.add_argument("--binary", type=Path, default=Path("target/release/earmark"))
    parser.add_argument("rest", nargs="*", help="more arguments of `earmark train`, behind --")
    args = parser.parse_args()
    data = args.folder / f"{args.clips}x{args.seconds}"
    make(data, args.clips, args.seconds)
    run = Path(tempfile.mkdtemp(dir=args.folder)) / "run"
    words = [args.binary, "train", "--quiet", "--data", data, "--from-scratch", "sample", "--output", run]
    words += ["--logging-steps", 1, "--test-size", 100, *args.rest]
    environment = dict(os.environ, EARMARK_CACHE=str(run.parent / "cache"))
    started = time.monotonic()
    child = subprocess.Popen([str(word) for word in words], env=environment, stdout=subprocess.DEVNULL)
    every, next_at, peak, waited = max(args.steps // 10, 1), 1, 0.0, None
    try:
        while child.poll() is None:
            time.sleep(0.05)
            now, resident = time.monotonic() - started, resident_mib(child.pid)
            peak = max(peak, resident)
            done = steps_done(run / "metrics.jsonl")
            if done >= next_at:
                print(f"{now:8.1f} s  step {done:6}  {resident:7.0f} MiB, peak {peak:7.0f}", flush=True)
                waited = waited or now
                next_at = done - done % every + every
            if done >= args.steps:
                break
    finally:
        child.terminate()
        child.wait()
        shutil.rmtree(run.parent)
    print(f"{args.clips} clips: the first step after {waited or 0.0:.1f} s, peak {peak:.0f} MiB")


if __name__ == "__main__":
    main()
