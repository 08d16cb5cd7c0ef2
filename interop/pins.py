"""Has this interpreter the pinned packages? Usage: pins.py REQUIREMENTS; prints what is wrong and exits with 1."""

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

wrong = []
for line in Path(sys.argv[1]).read_text().splitlines():
    name, pinned, want = line.partition("#")[0].strip().partition("==")
    if not pinned:
        continue
    try:
        got = version(name).partition("+")[0]  # `2.9.0+cpu` and `2.9.0+cu128` are the same 2.9.0 to us
    except PackageNotFoundError:
        got = "missing"
    if got != want:
        wrong.append(f"{name} is {got}, not {want}")
print("\n".join(wrong))
sys.exit(bool(wrong))
