#!/usr/bin/env python3
"""Ours beside PyTorch and ONNX Runtime: every turn a process of its own, the sides turn by turn.

    pip install -r bench/requirements.txt
    cargo xtask bench --python PYTHON [--rounds 3] [--only NAME] [--full]

Checkpoints are random and of the published sizes, made by transformers; they, exported models and sound files are kept in
--work. What was measured goes to WORK/results.json, row by row, so that a run that is cut short loses nothing, and a run of
some rows replaces those alone. The section of docs/performance.md between the markers is written from that file.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import process
import report
from cases import Bench, Case, everything

ROOT = Path(__file__).resolve().parent.parent


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


def take(case: Case, rounds: int) -> dict[str, Any]:
    """Every turn of a row. A side that fails says why, and takes no more turns."""
    names, found = list(case.sides), {name: [] for name in case.sides}
    errors: dict[str, process.Failed] = {}
    for turn in range(case.rounds or rounds):
        # Nobody is always first.
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            if name in errors:
                continue
            try:
                measure = case.sides[name]()
                found[name].append(asdict(measure))
                say(f"    {name}: {statistics.median(measure.seconds):.4g} s, {measure.peak_mb:.0f} MB")
            except (process.Failed, KeyError, ValueError, IndexError, OSError) as error:
                errors[name] = error if isinstance(error, process.Failed) else process.Failed(repr(error))
                say(f"    {name}: {errors[name]}")
    full = any(isinstance(error, process.TooMuchMemory) for error in errors.values())
    sides = {name: {"error": str(errors[name])} if name in errors else {"turns": found[name]} for name in names}
    return {"sides": sides, "too_large": full}


def peak(bench: Bench, threads: int) -> float:
    return bench.turn("matmul", threads=threads)[0]["gflops"]


def measure(bench: Bench, case: Case, rounds: int) -> dict[str, Any]:
    """A row. The matrix product is timed before and after, and the better one counts."""
    try:
        case.prepare()
        before = peak(bench, case.threads)
        row = take(case, rounds)
        row["peak_gflops"] = max(before, peak(bench, case.threads))
    except process.Failed as error:
        say(f"    {error}")
        row = {"sides": {name: {"error": f"it could not be prepared: {error}"} for name in case.sides}}
    told = dict(group=case.group, label=case.label, note=case.note, gflop=case.gflop, threads=case.threads)
    return row | told | {"rounds": case.rounds or rounds, "commit": commit(), "date": date.today().isoformat()}


def agreement(bench: Bench, name: str) -> dict[str, Any]:
    """How far our logits are from PyTorch's, and ONNX Runtime's from the same."""
    flags = dict(model=bench.model(name), earmark=bench.earmark, clip=bench.work / f"{name}.wav")
    try:
        return bench.turn("compare", **flags)[0]
    except process.Failed as error:
        return {"error": str(error)}


def commit() -> str:
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    avx512 = any(line.startswith("flags") and "avx512f" in line for line in lines)
    return {"cpu": model, "avx512": avx512, "cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 2)}


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {"rows": {}, "models": {}}


def write(path: Path, results: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1) + "\n")
    part.rename(path)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="rows with this in their name")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side [3]")
    parser.add_argument("--repeat", type=int, default=3, help="forward passes of a turn [3]; fewer in batches of 8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--files", type=int, help="sound files end to end [100; 1000 with --full]")
    parser.add_argument("--full", action="store_true", help="the largest models, 1000 files and an hour as well")
    parser.add_argument("--list", action="store_true", help="name the rows, and measure nothing")
    parser.add_argument("--render", action="store_true", help="write the section, and measure nothing")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/performance.md as it is")
    parser.add_argument("--work", type=Path, default=ROOT / "target/bench", help="where checkpoints and results are kept")
    parser.add_argument("--earmark", type=Path, default=ROOT / "target/release/earmark")
    return parser.parse_args()


def main() -> int:
    args = parse()
    work, files = args.work.resolve(), args.files or (1000 if args.full else 100)
    if files < 32:
        say("error: --files wants 32 at least: the first 16 warm up")
        return 2
    work.mkdir(parents=True, exist_ok=True)
    path = work / "results.json"
    results = read(path)
    if not args.render:
        bench = Bench(work, args.earmark.resolve(), args.threads, args.repeat)
        versions, _ = bench.turn("versions")
        bench.torch_version = versions["torch"]
        every = list(everything(bench, files, args.full))
        cases = [case for case in every if wanted(case, args.only)]
        if args.list or not cases:
            say("\n".join(case.name for case in cases) or "no row has that in its name; see --list")
            return 0 if cases else 2
        if not bench.earmark.exists():
            say(f"error: there is no `{bench.earmark}`: cargo build --release -p earmark-cli")
            return 2
        # A shorter run keeps the places of rows that only a longer one has.
        order = [name for case in every for name in (case.name, case.instead.name if case.instead else case.name)]
        results["order"] = list(dict.fromkeys(order + results.get("order", [])))
        results |= {"machine": machine(), "versions": versions}
        run(bench, cases, args.rounds, results, path)
    section = report.section(results)
    print(section)
    if not args.no_docs:
        report.replace(ROOT / "docs/performance.md", section)
    return 0


def wanted(case: Case, only: list[str]) -> bool:
    return not only or any(part.lower() in case.name for part in only)


def run(bench: Bench, cases: list[Case], rounds: int, results: dict[str, Any], path: Path) -> None:
    waiting, done, compared = list(cases), 0, set()
    while waiting:
        case = waiting.pop(0)
        done += 1
        say(f"[{done}/{done + len(waiting)}] {case.name}")
        row = measure(bench, case, rounds)
        results["rows"][case.name] = row
        if row.get("too_large") and case.instead:
            waiting.insert(0, case.instead)
        for name in set(case.models) - compared:
            compared.add(name)
            say(f"    {name}: comparing logits")
            results["models"][name] = agreement(bench, name)
        write(path, results)


if __name__ == "__main__":
    sys.exit(main())
