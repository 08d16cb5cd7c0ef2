"""Do the pipelines of the Python package give the answers of those of transformers, in one process, whatever form a sound has?

Usage: python_package.py PACKAGE MODEL_DIR CLIP|FOLDER... [--start]

PACKAGE is the folder that has `earmark`: target/python/wheel/content, which `cargo xtask check python` makes. `--start` also times how
long each takes from the start of Python to the first label.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
import transformers
from export_loads import clips

TOLERANCE = 1e-4  # of a score
LABELS = ["a dog", "church bells", "rain"]
START = {
    "earmark": "import earmark; p = earmark.pipeline('audio-classification', model=MODEL)",
    "transformers": "from transformers import pipeline; p = pipeline('audio-classification', model=MODEL, device='cpu')",
}


class Compared:
    def __init__(self, ours, theirs):
        self.ours, self.theirs, self.worst, self.count = ours, theirs, 0.0, 0

    def __call__(self, sound, **settings):
        """Both get a copy of their own, so that neither is heard through what the other left."""
        self.answers(self.ours(copy(sound), **settings), self.theirs(copy(sound), **settings))

    def answers(self, got, want):
        assert [sorted(it) for it in got] == [sorted(it) for it in want] == [["label", "score"]] * len(want), (got, want)
        want_of = {it["label"]: it["score"] for it in want}
        assert set(want_of) == {it["label"] for it in got}, (got, want)
        self.worst = max(self.worst, *(abs(it["score"] - want_of[it["label"]]) for it in got))
        self.count += 1


def copy(sound):
    return {**sound} if isinstance(sound, dict) else sound.copy() if isinstance(sound, np.ndarray) else sound


def classification(earmark, model: str, paths: list[Path]) -> Compared:
    compared = Compared(
        earmark.pipeline("audio-classification", model=model),
        transformers.pipeline("audio-classification", model=model, device="cpu", dtype=torch.float32),
    )
    rate = compared.ours.model.sampling_rate
    rows = []
    for path in paths:
        samples, own = soundfile.read(path, dtype="float32", always_2d=True)
        samples = np.ascontiguousarray(samples.mean(axis=1))
        rows.append({"array": samples, "sampling_rate": own})
        compared({"array": samples, "sampling_rate": own})
        compared({"raw": samples.astype(np.float64), "sampling_rate": own}, top_k=1)
        compared({"raw": samples, "sampling_rate": rate}, top_k=10**6)
        compared(samples, function_to_apply="sigmoid")
        compared(samples, function_to_apply="none", top_k=2)
        compared(torch.from_numpy(samples))
        if shutil.which("ffmpeg") and own == rate:  # ffmpeg resamples otherwise than torchaudio
            compared(str(path))
            compared(path.read_bytes())
    for got, want in zip(compared.ours(rows), compared.theirs(rows), strict=True):
        compared.answers(got, want)
    for got, want in zip(compared.ours(iter_of(rows), batch_size=3), compared.theirs(iter_of(rows)), strict=True):
        compared.answers(got, want)
    return compared


def iter_of(rows):
    yield from rows


def zero_shot(earmark, paths: list[Path]) -> Compared:
    golden = Path(__file__).resolve().parents[1] / "tests/golden/clap/unfused"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(golden, folder, dirs_exist_ok=True)
        extractor = {
            "feature_extractor_type": "ClapFeatureExtractor", "feature_size": 8, "hop_length": 3200, "max_length_s": 1,
            "truncation": "rand_trunc", "sampling_rate": 48_000,
        }  # fmt: skip
        Path(folder, "preprocessor_config.json").write_text(json.dumps(extractor))
        task = "zero-shot-audio-classification"
        compared = Compared(
            earmark.pipeline(task, model=folder),
            transformers.pipeline(task, model=folder, device="cpu", dtype=torch.float32),
        )
        for path in paths:
            samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
            samples = samples[:48_000].mean(axis=1)  # a longer clip is cropped at random
            compared(samples, candidate_labels=LABELS)
            compared(samples, candidate_labels=LABELS, hypothesis_template="{} in the rain")
        return compared


def start(package: str, model: str, path: Path) -> None:
    """Interleaved, each in a fresh process."""
    samples = f"__import__('soundfile').read({str(path)!r}, dtype='float32')[0]"
    imports = {"earmark": "import earmark", "transformers": "from transformers import pipeline"}
    for what in ("import", "first label"):
        times = {name: [] for name in START}
        for _ in range(5):
            for name in START:
                code = f"import sys; sys.path.insert(0, {package!r}); "
                code += imports[name] if what == "import" else f"{START[name].replace('MODEL', repr(model))}; p({samples})"
                began = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
                times[name].append(time.perf_counter() - began)
        medians = {name: statistics.median(it) for name, it in times.items()}
        told = ", ".join(f"{name} {median:.2f} s" for name, median in medians.items())
        print(f"        {what}: {told}, {medians['transformers'] / medians['earmark']:.0f} times as long")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("package")
    p.add_argument("model_dir")
    p.add_argument("clips", type=Path, nargs="+")
    p.add_argument("--start", action="store_true")
    args = p.parse_args()
    sys.path.insert(0, args.package)
    import earmark

    torch.set_num_threads(1)
    paths = clips(args.clips)
    good = True
    for name, compared in [
        ("audio-classification", classification(earmark, args.model_dir, paths)),
        ("zero-shot-audio-classification", zero_shot(earmark, paths)),
    ]:
        fine = compared.worst <= TOLERANCE
        good &= fine
        print(
            f"{'ok' if fine else 'FAILED':7} {name}: {compared.count} answers, worst difference of a score {compared.worst:.1e},"
            f" tolerance {TOLERANCE:.0e}"
        )
    if not shutil.which("ffmpeg"):
        print("        paths and bytes were not compared: the reference has no ffmpeg here")
    if args.start:
        start(args.package, args.model_dir, paths[0])
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
