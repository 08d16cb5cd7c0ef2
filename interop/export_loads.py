"""Does a model folder load in transformers, and do both give the same logits?

Usage: export_loads.py MODEL_DIR CLIP|FOLDER... [--earmark BINARY]
"""

from pathlib import Path

import soundfile
import torch
import torchaudio
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

from common import earmark, json_lines, parser, verdict, worst_of

TOLERANCE = 3e-4  # of a logit; the reference differs from itself in f64 by 5e-5


def clips(paths: list[Path]) -> list[Path]:
    found = [clip for path in paths for clip in (sorted(path.rglob("*.wav")) if path.is_dir() else [path])]
    assert found, f"no clips in {paths}"
    return found


@torch.no_grad()
def reference(model_dir: Path, paths: list[Path]) -> tuple[list[dict[str, float]], bool]:
    """Logits by label for each clip, and whether any clip had to be resampled."""
    extractor = AutoFeatureExtractor.from_pretrained(model_dir)
    model, loading = AutoModelForAudioClassification.from_pretrained(
        model_dir, dtype=torch.float32, output_loading_info=True
    )
    assert not any(loading.values()), f"transformers complains about the weights: {loading}"
    model.eval()
    logits, resampled = [], False
    for path in paths:
        x, rate = soundfile.read(path, dtype="float32", always_2d=True)
        x = torch.from_numpy(x.mean(axis=1))
        if rate != extractor.sampling_rate:
            x, resampled = torchaudio.functional.resample(x, rate, extractor.sampling_rate), True
        features = extractor(x.numpy(), sampling_rate=extractor.sampling_rate, return_tensors="pt")
        row = model(**features).logits[0].tolist()
        logits.append({model.config.id2label[i]: value for i, value in enumerate(row)})
    return logits, resampled


def main() -> None:
    p = parser(__doc__)
    p.add_argument("model_dir", type=Path)
    p.add_argument("clips", type=Path, nargs="+")
    args = p.parse_args()
    paths = clips(args.clips)
    want, resampled = reference(args.model_dir, paths)

    flags = ["--model", args.model_dir, "--scores", "none", "--top-k", "all", "--format", "jsonl"]
    if resampled:
        flags += ["--resampler", "torchaudio"]  # ours is better, and would be the whole difference
    got = json_lines(earmark(args.earmark, "classify", *paths, *flags))

    differences = []
    for path, expected, line in zip(paths, want, got, strict=True):
        assert "error" not in line, f"{path}: {line['error']}"
        assert Path(line["path"]) == path, f"{line['path']} came where {path} was due"
        scores = {prediction["label"]: prediction["score"] for prediction in line["predictions"]}
        assert scores.keys() == expected.keys(), f"labels differ: {sorted(scores)}, {sorted(expected)}"
        differences.append(worst_of(abs(scores[label] - expected[label]) for label in expected))
        print(f"{differences[-1]:.1e}  {path}")
    verdict(f"logits of {len(paths)} clips", worst_of(differences), TOLERANCE)


if __name__ == "__main__":
    main()
