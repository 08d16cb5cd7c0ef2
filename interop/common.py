"""What the checks share: the `earmark` binary, its line-by-line JSON, and the verdict."""

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable


def parser(description: str) -> argparse.ArgumentParser:
    """A parser that knows `--earmark`; `EARMARK` in the environment names the binary too."""
    p = argparse.ArgumentParser(description=description.splitlines()[0])
    p.add_argument("--earmark", default=os.environ.get("EARMARK", "target/release/earmark"), help="the binary to check")
    return p


def earmark(binary: str, *args: object) -> str:
    """Runs the binary on the CPU without a network and returns what it wrote to stdout."""
    command = [binary, *map(str, args), "--device", "cpu", "--offline"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"FAILED  `{' '.join(command)}` exited with {done.returncode}")
    return done.stdout


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def worst_of(differences: Iterable[float]) -> float:
    """The largest, where not a number is larger than all: `max` would let it pass."""
    return max(differences, key=lambda difference: math.inf if math.isnan(difference) else difference)


def verdict(what: str, worst: float, tolerance: float) -> None:
    """Prints the worst difference and ends the script: with 1 when it is too large, or not a number."""
    good = worst <= tolerance
    print(f"{'ok' if good else 'FAILED':7} {what}: worst difference {worst:.1e}, tolerance {tolerance:.0e}")
    sys.exit(0 if good else 1)
