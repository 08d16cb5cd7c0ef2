"""Are hidden states those of `transformers`, a linear probe scikit-learn's, and the model that it leaves one that `transformers` opens?

Usage: probe.py [--seed N] [--model DIR --data DIR [--label COLUMN] [--fold COLUMN]] [--earmark BINARY]

Without --model the models are small and random, and the clips drawn; the seed chooses both. With them a real model is probed on
a folder of clips with a table `metadata.csv`, which has the column file_name and the two that are named.
"""

import csv
import json
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForAudioClassification,
    HubertConfig,
    HubertForSequenceClassification,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
)

from common import earmark, json_lines, parser, worst_of

STATES = 1e-4  # of a hidden state, relative to the largest
LOGITS = 2e-3  # of a logit: folding the standardisation in divides by small numbers

SPEECH = dict(
    hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=32, conv_dim=(12,) * 4,
    conv_stride=(5, 4, 4, 4), conv_kernel=(10, 8, 8, 4), num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
    num_feat_extract_layers=4, initializer_range=0.2,
)


def drawn_models(folder: Path, seed: int) -> dict[str, list[str]]:
    """Small models with random heads, and the flags that each is probed with."""
    torch.manual_seed(seed)
    stable = dict(feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True)
    waves = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    models = {
        "hubert": (HubertForSequenceClassification(HubertConfig(**SPEECH, use_weighted_layer_sum=True)), waves),
        "wav2vec2": (Wav2Vec2ForSequenceClassification(Wav2Vec2Config(**SPEECH, **stable)), waves),
        "whisper": (
            WhisperForAudioClassification(
                WhisperConfig(
                    d_model=24, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=32, num_mel_bins=16,
                    max_source_positions=50, init_std=0.2,
                )
            ),
            WhisperFeatureExtractor(feature_size=16, chunk_length=1),
        ),
        "ast": (
            ASTForAudioClassification(
                ASTConfig(
                    hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32, max_length=60,
                    num_mel_bins=16, patch_size=8, frequency_stride=4, time_stride=6, initializer_range=0.2,
                )
            ),
            ASTFeatureExtractor(max_length=60, num_mel_bins=16),
        ),
    }
    for name, (model, extractor) in models.items():
        model.save_pretrained(folder / name)
        extractor.save_pretrained(folder / name)
    flags = {"hubert": ["last", "1", "weighted"], "wav2vec2": ["last", "2"], "whisper": ["last", "1"], "ast": ["last"]}
    return {str(folder / name): layers for name, layers in flags.items()}


def drawn_clips(folder: Path, seed: int) -> Path:
    """Chords in noise, so that classes overlap a little; three folds."""
    rng, rows = np.random.default_rng(seed), [("file_name", "label", "fold")]
    folder.mkdir()
    for number in range(90):
        label = "abcdef"[number % 6]
        t = np.arange(rng.integers(6_000, 12_000)) / 16_000
        pitch = 200 * 1.5 ** (number % 6) * rng.uniform(0.9, 1.1)
        clip = 0.2 * np.sin(2 * np.pi * pitch * t) + 0.1 * rng.standard_normal(len(t))
        soundfile.write(folder / f"{number}.wav", clip.astype(np.float32), 16_000, subtype="FLOAT")
        rows.append((f"{number}.wav", label, 1 + number // 30))
    with open(folder / "metadata.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


def table(args) -> dict[str, tuple[str, str]]:
    """Label and fold of each file."""
    with open(args.data / "metadata.csv", newline="") as file:
        return {row["file_name"]: (row[args.label], row[args.fold]) for row in csv.DictReader(file)}


def inputs(path: Path, extractor) -> dict[str, torch.Tensor]:
    x, rate = soundfile.read(path, dtype="float32", always_2d=True)
    x = torch.from_numpy(x.mean(axis=1))
    if rate != extractor.sampling_rate:
        x = torchaudio.functional.resample(x, rate, extractor.sampling_rate)
    return extractor(x.numpy(), sampling_rate=extractor.sampling_rate, return_tensors="pt")


@torch.no_grad()
def states(model: str, paths: list[Path]) -> list[np.ndarray]:
    """Every hidden state of each clip, pooled by the mean: of AST without its tokens."""
    extractor = AutoFeatureExtractor.from_pretrained(model)
    base = AutoModel.from_pretrained(model, dtype=torch.float32).eval()
    base = getattr(base, "encoder", base) if "Whisper" in type(base).__name__ else base
    tokens = 2 if "AST" in type(base).__name__ else 0
    rows = []
    for path in paths:
        found = base(**inputs(path, extractor), output_hidden_states=True).hidden_states
        rows.append(np.stack([state[0, tokens:].mean(0).numpy() for state in found]))
    return rows


@torch.no_grad()
def logits(model: Path, paths: list[Path]) -> list[dict[str, float]]:
    extractor = AutoFeatureExtractor.from_pretrained(model)
    network, loading = AutoModelForAudioClassification.from_pretrained(
        model, dtype=torch.float32, output_loading_info=True
    )
    assert not any(loading.values()), f"transformers complains about the weights: {loading}"
    network.eval()
    rows = [network(**inputs(path, extractor)).logits[0].tolist() for path in paths]
    return [{network.config.id2label[i]: value for i, value in enumerate(row)} for row in rows]


def vectors(binary: str, data: Path, model: str, output: Path, layer: str, *pool: str) -> dict[str, np.ndarray]:
    flags = ["--resampler", "torchaudio", "--layer", layer, *pool, "-o", output]
    earmark(binary, "embed", data, "--model", model, *flags)
    return dict(np.load(output))


def check(args, model: str, layer: str, work: Path) -> list[str]:
    """What is wrong with the probe of one model."""
    name, wrong = f"{Path(model).name} {layer}", []
    rows, out = table(args), work / f"{Path(model).name}-{layer}"
    found = vectors(args.earmark, args.data, model, work / "one.npz", layer, "--force")
    files = [str(Path(path).relative_to(args.data)) for path in found["path"]]
    labels = np.array([rows[file][0] for file in files])
    folds = np.array([rows[file][1] for file in files])

    flags = ["--resampler", "torchaudio", "--layer", layer, "--c", "1", "-o", out]
    flags += ["--split-by", f"folds:{args.fold}", "--label-column", args.label]
    earmark(args.earmark, "probe", "--model", model, "--data", args.data, *flags)
    report = json.loads((out / "report.json").read_text())
    x = found["vector"].astype(np.float64)
    if "AST" in json.loads((Path(model) / "config.json").read_text())["architectures"][0]:
        # Its head begins with a norm, and the probe learns from what that gives.
        x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-12)
    for part in report["parts"]["parts"]:
        test = folds == part["name"]
        fit = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=10_000)).fit(x[~test], labels[~test])
        theirs, ours = fit.score(x[test], labels[test]), part["accuracy"]
        print(f"{name}: fold {part['name']} accuracy {ours:.4f}, scikit-learn {theirs:.4f}")
        if abs(ours - theirs) * test.sum() > 1.001:
            wrong.append(f"{name}: fold {part['name']} has {ours}, scikit-learn {theirs}")

    if layer == "last":
        all_ours = vectors(args.earmark, args.data, model, work / "all.npz", "all", "--pool", "mean", "--force")
        paths = [args.data / file for file in files]
        for number, want in enumerate(np.stack(states(model, paths)).transpose(1, 0, 2)):
            worst = np.abs(all_ours[f"layer_{number}"] - want).max() / np.abs(want).max()
            print(f"{name}: hidden state {number} differs by {worst:.1e} of the largest")
            if not worst <= STATES:
                wrong.append(f"{name}: hidden state {number} differs by {worst:.1e}")

    paths = [args.data / file for file in files[:: max(1, len(files) // 30)]]
    flags = ["--scores", "none", "--top-k", "all", "--format", "jsonl", "--resampler", "torchaudio"]
    got = json_lines(earmark(args.earmark, "classify", *paths, "--model", out / "model", *flags))
    differences = []
    for want, line in zip(logits(out / "model", paths), got, strict=True):
        scores = {prediction["label"]: prediction["score"] for prediction in line["predictions"]}
        differences.append(worst_of(abs(scores[label] - want[label]) for label in want))
        a, b = (softmax([row[label] for label in sorted(want)]) for row in (scores, want))
        differences.append(float(np.abs(a - b).max()))
    worst = worst_of(differences)
    print(f"{name}: logits of the exported model differ by {worst:.1e}")
    if not worst <= LOGITS:
        wrong.append(f"{name}: logits differ by {worst:.1e}")
    return wrong


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--seed", type=int)
    p.add_argument("--model", help="a real model in place of small random ones")
    p.add_argument("--data", type=Path, help="real clips")
    p.add_argument("--label", default="label", help="their column of classes")
    p.add_argument("--fold", default="fold", help="their column of folds")
    args = p.parse_args()
    seed = random.randrange(2**31) if args.seed is None else args.seed
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if args.model:
            models = {args.model: ["last"]}
        else:
            print(f"seed {seed}")
            models, args.data = drawn_models(work, seed), drawn_clips(work / "clips", seed)
        wrong = [
            line for model, layers in models.items() for layer in layers for line in check(args, model, layer, work)
        ]
    print("\n".join(f"FAILED  {line}" for line in wrong) or "ok      hidden states, probes and exported models")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
