"""Do MTEB, X-ARES and HEAR take our encoders, and does MTEB score them as its own wrapper of the same checkpoint?

Usage: benchmarks.py --model DIR --data DIR [--most N]

DIR of the model is a Wav2Vec2 checkpoint, whose wrapper MTEB has; that of the data a folder with a sub-folder of sounds for each class,
as ESC-10's, of which N are taken of each. The package `earmark` is that of the interpreter's path; `mteb` and `xares` are in
requirements of their own (`pip install mteb xares`). What is not installed is skipped, and said.
"""

import importlib.util
import math
import sys
from pathlib import Path

import datasets
import numpy as np
import soundfile
import torch
import torchaudio

from common import parser

SCORE = 1e-9  # The classifiers on top are the same, and see embeddings that differ by 1e-6.
RATE = 16_000


def read(path: Path) -> np.ndarray:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return torchaudio.functional.resample(torch.from_numpy(samples.mean(axis=1)), rate, RATE).numpy()


def score(encoder, table: datasets.Dataset) -> dict[str, float]:
    """ESC50's task of MTEB with other sounds in it."""
    from mteb import evaluate
    from mteb.tasks.classification.zxx.esc50 import ESC50Classification

    task = ESC50Classification()
    task.dataset, task.data_loaded = {"default": datasets.DatasetDict(train=table)}, True
    task.load_data = lambda *args, **kwargs: None
    task.dataset = task.dataset["default"]
    result = evaluate(encoder, task, cache=None)
    scores = result.task_results[0].scores["train"][0]
    return {key: scores[key] for key in ("accuracy", "f1", "main_score")}


def of_mteb(model: str, data: Path, most: int) -> bool:
    from mteb.models.model_meta import ModelMeta
    from mteb.models.model_implementations.wav2vec2_models import Wav2Vec2AudioWrapper

    from earmark.benchmarks.mteb import EarmarkEncoder

    clips, labels = [], []
    for label, folder in enumerate(sorted(path for path in data.iterdir() if path.is_dir())):
        for path in sorted(folder.iterdir())[:most]:
            clips.append({"array": read(path), "sampling_rate": RATE})
            labels.append(label)
    table = datasets.Dataset.from_dict({"audio": clips, "target": labels})
    table = table.cast_column("audio", datasets.Audio(RATE)) if importlib.util.find_spec("torchcodec") else table
    reference = Wav2Vec2AudioWrapper(model, revision=None)
    reference.mteb_model_meta = ModelMeta.create_empty({"name": "reference/wav2vec2", "modalities": ["audio"]})
    ours, theirs = score(EarmarkEncoder(model), table), score(reference, table)
    worst = max(abs(ours[key] - theirs[key]) for key in theirs)
    print(f"mteb    {len(clips)} clips, accuracy {ours['accuracy']:.4f} and {theirs['accuracy']:.4f}, worst difference {worst:.1e}")
    return worst <= SCORE


def of_xares(model: str) -> bool:
    from xares.audio_encoder_checker import check_audio_encoder

    from earmark.benchmarks.xares import EarmarkEncoder

    good = check_audio_encoder(EarmarkEncoder(model))
    print(f"xares   its checker says {good}")
    return bool(good)


def of_hear(model: str) -> bool:
    """What hear-validator asks of an API for torch; itself it needs TensorFlow."""
    from earmark.benchmarks import hear

    opened = hear.load_model(model)
    assert isinstance(opened, torch.nn.Module) and isinstance(opened.sample_rate, int)
    audio = torch.rand(4, int(3.74 * opened.sample_rate)) * 2 - 1
    scenes = hear.get_scene_embeddings(audio, opened)
    frames, times = hear.get_timestamp_embeddings(audio, opened)
    steps = times[:, 1:] - times[:, :-1]
    good = (
        scenes.shape == (4, opened.scene_embedding_size)
        and frames.shape == (*times.shape, opened.timestamp_embedding_size)
        and scenes.dtype == frames.dtype == torch.float32
        and bool((steps - steps.mean()).abs().max() < 1e-3)
        and math.isclose(float(times[0, -1] + steps.mean() / 2) / 1000, 3.74, rel_tol=0.02)
    )
    print(f"hear    {frames.shape[1]} frames of {float(steps.mean()):.1f} ms")
    return good


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--model", required=True)
    p.add_argument("--data", type=Path)
    p.add_argument("--most", type=int, default=20)
    args = p.parse_args()
    good = of_hear(args.model)
    for package in ("mteb", "xares"):
        if importlib.util.find_spec(package) is None or (package == "mteb" and args.data is None):
            print(f"{package:7} skipped: not installed, or no --data")
        else:
            good &= of_mteb(args.model, args.data, args.most) if package == "mteb" else of_xares(args.model)
    print("ok" if good else "FAILED", " benchmarks")
    sys.exit(not good)


if __name__ == "__main__":
    main()
