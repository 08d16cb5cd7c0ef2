"""The section of docs/performance.md, written from results.json."""

import statistics
import textwrap
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- bench: begin; `cargo xtask bench` writes what stands here -->", "<!-- bench: end -->"
TITLES = {
    "forward": "Forward pass",
    "end to end": "From a sound file to a label, in a process that is warm",
    "cold start": "From process start to a label",
    "train": "Training step",
    "recording": "A recording, in windows of 5 s",
}
WHAT = {
    "forward": "Noise, batch 1 unless a row says otherwise; the features are made before.",
    "end to end": (
        "Decoding stereo WAV at 44.1 kHz, resampling to 16 kHz, features, model, label; seconds are those of a clip. PyTorch is "
        '`pipeline("audio-classification")` on the paths, which runs ffmpeg for each; libsndfile means that it is handed '
        "decoded samples. Ours is `earmark classify FOLDER` after its first 16 files."
    ),
    "cold start": "One WAV file of 2 s; the whole process, interpreter and imports included.",
    "train": (
        "Forward, backward, clipping and AdamW, dropout on; the first step is not counted. Ours is `earmark train`, by the clock "
        "in its TensorBoard events. A backward pass counts as two forward ones."
    ),
    "recording": "The whole process, 16 windows at once on both sides. Memory should not grow with the length.",
}
# Above this share of the peak a row is bound by its matrix products.
BOUND = 0.6
# Other work below this share of the cores is not worth a word.
QUIET = 0.05


def numbers(side: dict[str, Any]) -> list[float]:
    return [second for turn in side.get("turns", []) for second in turn["seconds"]]


def memory(side: dict[str, Any]) -> float | None:
    turns = side.get("turns", [])
    return max(turn["peak_mb"] for turn in turns) if turns else None


def load(side: dict[str, Any]) -> float | None:
    times = [turn["load_s"] for turn in side.get("turns", []) if turn["load_s"] is not None]
    return statistics.median(times) if times else None


def short(number: float) -> str:
    """Three digits that mean something."""
    return f"{number:.{max(0, 3 - len(str(int(number))) if number >= 1 else 3)}f}"


def pair(times: list[float]) -> str:
    return f"{short(min(times))} ({short(statistics.median(times))})" if times else "–"


def ratio(times: list[float], base: list[float]) -> str:
    if not times or not base:
        return "–"
    return f"{times_as(min(times) / min(base))} ({times_as(statistics.median(times) / statistics.median(base))})"


def part(value: float | None, base: float | None) -> str:
    return times_as(value / base) if value and base else "–"


def times_as(ratio: float) -> str:
    """Two places, or two digits where the places would say nothing."""
    return f"{ratio:.2f}" if ratio >= 0.095 else f"{ratio:.2g}"


def share(row: dict[str, Any], side: str) -> float | None:
    """What it computed in a second, of what this machine can."""
    times, top = numbers(row["sides"][side]), row.get("peak_gflops")
    return row["gflop"] / min(times) / top if times and top else None


def gflop(count: float) -> str:
    return f"{count:.1f}" if count >= 0.1 else "< 0.1"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %" if value >= 0.01 else "< 1 %"


def bound(value: float | None) -> str:
    return "–" if value is None else "matrix products" if value >= BOUND else "the rest"


def line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)


def title(side: str) -> str:
    return {"pytorch": "PyTorch", "onnxruntime": "ONNX Runtime"}.get(side, side)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Times, and below them memory: two tables that fit a page. What is best in its row is bold."""
    sides = list(rows[0]["sides"])
    others = sides[1:]
    head = ["row", "GFLOP", "PyTorch, s", *map(title, others), "earmark, of the peak", "earmark is bound by"]
    lines = [line(head), line(["---"] + ["---:"] * (len(head) - 2) + ["---"])]
    for row in rows:
        times = {side: numbers(row["sides"][side]) for side in sides}
        cells = [pair(times["pytorch"]), *(ratio(times[side], times["pytorch"]) for side in others)]
        of_peak = share(row, "earmark")
        lines.append(line([name(row), gflop(row["gflop"]), *best(cells), percent(of_peak), bound(of_peak)]))
    head = ["peak memory", "PyTorch, MB", *map(title, others)]
    lines += ["", line(head), line(["---"] + ["---:"] * (len(head) - 1))]
    for row in rows:
        sizes = {side: memory(row["sides"][side]) for side in sides}
        base = sizes["pytorch"]
        cells = ["–" if base is None else f"{base:.0f}", *(part(sizes[side], base) for side in others)]
        lines.append(line([name(row), *best(cells)]))
    return lines


def name(row: dict[str, Any]) -> str:
    return f"{row['label']}, {row['note']}" if row["note"] else row["label"]


def best(cells: list[str]) -> list[str]:
    """The smallest in bold: PyTorch's, which comes first, counts as 1, the others are ratios to it."""
    ratios = [None if cell == "–" else 1.0 if place == 0 else float(cell.split()[0]) for place, cell in enumerate(cells)]
    known = [ratio for ratio in ratios if ratio is not None]
    least = min(known) if len(known) > 1 else None
    return [f"**{cell}**" if ratio is not None and ratio == least else cell for cell, ratio in zip(cells, ratios)]


def failures(rows: list[dict[str, Any]]) -> list[str]:
    found = [
        f"- {row['label']}, {title(side)}: {said['error']}"
        for row in rows
        for side, said in row["sides"].items()
        if "error" in said
    ]
    return ["", "Not measured:", "", *found] if found else []


def beside(rows: list[dict[str, Any]]) -> list[str]:
    """Rows that had company."""
    found = []
    for row in rows:
        shares = [turn["others"] for side in row["sides"].values() for turn in side.get("turns", [])]
        if shares and statistics.mean(shares) >= QUIET:
            found.append(f"{row['label']} {percent(statistics.mean(shares))}")
    return ["", f"Not quiet: other work took a share of the cores beside {', '.join(found)}."] if found else []


def flat(rows: list[dict[str, Any]]) -> list[str]:
    """The peak of memory against the length of a recording."""
    found = [(row["label"], memory(row["sides"]["earmark"])) for row in rows]
    told = ", ".join(f"{label.rpartition('distilhubert ')[2]}: {peak:.0f}" for label, peak in found if peak)
    return ["", f"Our peak in MB: {told}."] if told else []


def models(results: dict[str, Any]) -> list[str]:
    """Loading, and how far the logits are apart."""
    head = ["model", "parameters", "PyTorch, load, s", "ONNX Runtime", "earmark", "our worst difference of a logit"]
    lines = ["", "### Loading, and the same logits", ""]
    lines += [line(head), line(["---"] + ["---:"] * (len(head) - 1))]
    for name, said in results["models"].items():
        rows = [row for row in results["rows"].values() if row["group"] == "forward" and row["label"].startswith(name + " ")]
        if not rows:
            continue
        loads = {side: load(rows[0]["sides"][side]) for side in rows[0]["sides"]}
        base = loads["pytorch"]
        cells = [name, f"{said['parameters'] / 1e6:.0f} M" if "parameters" in said else "–"]
        found = ["–" if base is None else short(base), part(loads["onnxruntime"], base), part(loads["earmark"], base)]
        off = said.get("error") or f"{said['worst']:.1e} of {said['largest']:.1f}"
        lines.append(line([*cells, *best(found), off]))
    return lines


def peaks(rows: list[dict[str, Any]]) -> str:
    best: dict[int, float] = {}
    for row in rows:
        if row.get("peak_gflops"):
            best[row["threads"]] = max(best.get(row["threads"], 0.0), row["peak_gflops"])
    return ", ".join(f"{top:.0f} GFLOP/s on {threads} thread{'s' * (threads > 1)}" for threads, top in sorted(best.items()))


def head(results: dict[str, Any]) -> list[str]:
    here, versions, rows = results["machine"], results["versions"], list(results["rows"].values())
    vectors = " with AVX-512" if here["avx512"] else ""
    commits, days = sorted({row["commit"] for row in rows}), sorted({row["date"] for row in rows})
    rounds = sorted({row["rounds"] for row in rows})
    told = ", ".join(f"`{name}` {version}" for name, version in versions.items())
    return [
        "## Beside PyTorch and ONNX Runtime",
        "",
        "```sh",
        "pip install -r bench/requirements.txt",
        "cargo xtask bench                      # --only NAME for some rows, --list for their names, --full for the long ones",
        "```",
        "",
        *wrapped(f"{here['cores']} cores of an {here['cpu']}{vectors}; the load before the run was {here['load_before']}. {told}. "
        f"Commit {', '.join(commits)}; {', '.join(days)}; turns of each side: {', '.join(map(str, rounds))}. Each turn is a "
        "process of its own, the sides in turn; random checkpoints of the published sizes; f32; PyTorch is eager."),
        "",
        *wrapped("Best of all repetitions, in brackets their median. Columns without a unit are ratios to PyTorch, below 1 where that side "
        "is ahead; the best of a row is bold. Memory is the peak resident set of the process. GFLOP counts matrix products; the peak is a 2048³ product in "
        f"ONNX Runtime, timed beside each row (best: {peaks(rows)}), so a row at 100 % does nothing else. A share above "
        f"{100 * BOUND:.0f} % means that matrix products bound the row, below it the passes between them do, or what is no "
        "arithmetic. An exported model is one for each shape of input (opset 20), and within 1e-3 of PyTorch's logits."),
    ]


def section(results: dict[str, Any]) -> str:
    lines, order = head(results), {name: place for place, name in enumerate(results["order"])}
    for group, heading in TITLES.items():
        names = sorted(results["rows"], key=lambda name: order.get(name, len(order)))
        rows = [results["rows"][name] for name in names if results["rows"][name]["group"] == group]
        if not rows:
            continue
        lines += ["", f"### {heading}", "", *wrapped(WHAT[group]), "", *table(rows)]
        lines += flat(rows) if group == "recording" else []
        lines += [*beside(rows), *failures(rows)]
    if results["models"]:
        lines += models(results)
    return "\n".join(lines)


def replace(path: Path, section: str) -> None:
    """Puts the section between the markers, or below the title and its paragraph where there are none yet."""
    text, block = path.read_text(), f"{BEGIN}\n\n{section}\n\n{END}"
    if BEGIN in text and END in text:
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        path.write_text(before + block + after)
        return
    at = text.index("\n## ")
    path.write_text(f"{text[:at]}\n{block}\n{text[at:]}")
