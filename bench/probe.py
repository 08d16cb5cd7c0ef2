"""Times `earmark probe` beside a script that does the same with transformers and scikit-learn, in turn, each in a fresh process.

Usage: probe.py --model DIR --data DIR [--fold COLUMN] [--label COLUMN] [--repeat N] [--threads N] [--earmark BINARY]

DIR is a folder of clips with a metadata.csv (file_name and the two columns). Both embed every clip by the mean of the last hidden
states, and predict each fold by a logistic regression with C = 1 on the standardised embeddings of the others. Nothing is cached.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def reference(args) -> None:
    """The whole in Python: what a person would write."""
    import numpy as np
    import soundfile
    import torch
    import torchaudio
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from transformers import AutoFeatureExtractor, AutoModel

    torch.set_num_threads(args.threads)
    extractor = AutoFeatureExtractor.from_pretrained(args.model)
    base = AutoModel.from_pretrained(args.model, dtype=torch.float32).eval()
    base = getattr(base, "encoder", base) if "Whisper" in type(base).__name__ else base
    with open(args.data / "metadata.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    vectors = []
    with torch.inference_mode():
        for start in range(0, len(rows), 8):
            clips = []
            for row in rows[start : start + 8]:
                x, rate = soundfile.read(args.data / row["file_name"], dtype="float32", always_2d=True)
                x = torch.from_numpy(x.mean(axis=1))
                clips.append(torchaudio.functional.resample(x, rate, extractor.sampling_rate).numpy())
            inputs = extractor(clips, sampling_rate=extractor.sampling_rate, return_tensors="pt")
            vectors.append(base(**inputs).last_hidden_state.mean(1).numpy())
    x = np.concatenate(vectors)
    y, folds = (np.array([row[column] for row in rows]) for column in (args.label, args.fold))
    accuracies = {}
    for fold in sorted(set(folds)):
        fit = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))
        fit.fit(x[folds != fold], y[folds != fold])
        accuracies[fold] = fit.score(x[folds == fold], y[folds == fold])
    print(json.dumps(accuracies))


def ours(args) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "probe"
        command = [
            args.earmark, "probe", "--model", args.model, "--data", args.data, "--label-column", args.label,
            "--split-by", f"folds:{args.fold}", "--c", "1", "-o", out, "--threads", str(args.threads), "--device", "cpu",
        ]
        env = os.environ | {"EARMARK_CACHE": str(Path(folder) / "cache")}
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
        parts = json.loads((out / "report.json").read_text())["parts"]["parts"]
        return {part["name"]: part["accuracy"] for part in parts}


def theirs(args) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], "--reference"], check=True, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": str(args.threads)},
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--model", required=True)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--fold", default="fold", help="column of the folds")
    p.add_argument("--label", default="label", help="column of the classes")
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--earmark", default=os.environ.get("EARMARK", "target/release/earmark"))
    p.add_argument("--reference", action="store_true", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.reference:
        reference(args)
        return
    seconds = {ours: [], theirs: []}
    for _ in range(args.repeat):
        for run in (ours, theirs):
            began = time.perf_counter()
            accuracies = run(args)
            seconds[run].append(time.perf_counter() - began)
            mean = sum(accuracies.values()) / len(accuracies)
            shown = ", ".join(f"{accuracy:.4f}" for _, accuracy in sorted(accuracies.items()))
            print(f"{run.__name__:7} {seconds[run][-1]:7.1f} s  folds {shown}  mean {mean:.4f}", flush=True)
    for run, times in seconds.items():
        print(f"{run.__name__:7} best {min(times):.1f} s, median {sorted(times)[len(times) // 2]:.1f} s")


if __name__ == "__main__":
    main()
