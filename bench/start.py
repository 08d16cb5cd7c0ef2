#!/usr/bin/env python3
"""How long `earmark serve` takes from the start of its process until its address is printed.

    python bench/start.py [--model tests/golden/speech/group] [--turns 21]
"""

import argparse
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--earmark", type=Path, default=ROOT / "target/release/earmark", help="the binary to measure")
parser.add_argument("--model", default=str(ROOT / "tests/golden/speech/group"), help="a model's folder")
parser.add_argument("--turns", type=int, default=21)
args = parser.parse_args()

command = [args.earmark, "serve", "--model", args.model, "--port", "0", "--no-open", "--offline"]
times, processor = [], []
for _ in range(args.turns):
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout and server.stdout.readline().startswith("http://"), "it did not start"
        times.append(time.perf_counter() - began)
        fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
        processor.append((int(fields[11]) + int(fields[12])) / 100)
        server.kill()
print(
    f"best of {args.turns}: {1000 * min(times):.0f} ms, median {1000 * statistics.median(times):.0f} ms, "
    f"{1000 * statistics.median(processor):.0f} ms of processor time"
)
