#!/usr/bin/env python3
"""Times feature extraction here and in Python, turn by turn in one run, on one thread each.

    cargo build --release -p earmark-features --example time_features
    python bench/features.py [--rounds 7] [--seconds 30] [--binary target/release/examples/time_features]

The Python path is what the reference does with a file: librosa decodes it, torchaudio resamples it, and the feature
extractor of transformers takes it from there. Each turn runs one clip through both; the median of the turns counts.
Needs transformers, torch, torchaudio, librosa and soundfile.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import librosa
import numpy as np
import soundfile
import torch
import torchaudio
from transformers import (
    ASTFeatureExtractor,
    ClapFeatureExtractor,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

torch.set_num_threads(1)

EXTRACTORS = {
    "wav2vec2": Wav2Vec2FeatureExtractor(),
    "ast": ASTFeatureExtractor(),
    "whisper (80)": WhisperFeatureExtractor(),
    "whisper (128)": WhisperFeatureExtractor(feature_size=128),
    "clap rand_trunc": ClapFeatureExtractor(truncation="rand_trunc"),
    "clap fusion": ClapFeatureExtractor(truncation="fusion"),
}
STEPS = ("decode", "resample", "extract")


def in_python(path, extractor):
    start = time.perf_counter()
    wave, rate = librosa.load(path, sr=None, mono=True)
    decoded = time.perf_counter()
    target = extractor.sampling_rate
    wave = torchaudio.functional.resample(torch.from_numpy(wave), rate, target).numpy()
    resampled = time.perf_counter()
    extractor(wave, sampling_rate=target, return_tensors="pt")
    extracted = time.perf_counter()
    return dict(zip(STEPS, (decoded - start, resampled - decoded, extracted - resampled)))


def here(binary, path, config, resampler):
    out = subprocess.run([binary, path, config, resampler], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--rate", type=int, default=44100)
    arguments.add_argument("--binary", default="target/release/examples/time_features")
    options = arguments.parse_args()

    def median(turns, step):
        return 1e3 * statistics.median(turn[step] for turn in turns)

    with tempfile.TemporaryDirectory() as folder:
        clip = str(Path(folder) / "clip.wav")
        samples = np.random.default_rng(0).normal(0, 0.1, (int(options.seconds * options.rate), 2))
        soundfile.write(clip, samples, options.rate, subtype="PCM_16")
        print(f"{options.seconds:g} s of 16-bit stereo at {options.rate} Hz, one thread, median of {options.rounds}, ms")
        print(f"{'':>16}  {'python':^32}  {'here, torchaudio':^32}  {'here, hq':^32}  ratio of totals")
        steps = "".join(f"{step:>8}" for step in (*STEPS, "total"))
        print(f"{'':>16}  {steps}  {steps}  {steps}")
        for name, extractor in EXTRACTORS.items():
            config = str(Path(folder) / "preprocessor_config.json")
            Path(config).write_text(extractor.to_json_string())
            in_python(clip, extractor)
            runs = {"python": [], "torchaudio": [], "hq": []}
            for _ in range(options.rounds):
                runs["python"].append(in_python(clip, extractor))
                for resampler in ("torchaudio", "hq"):
                    runs[resampler].append(here(options.binary, clip, config, resampler))
            rows = {who: [median(turns, step) for step in STEPS] for who, turns in runs.items()}
            cells = "  ".join("".join(f"{ms:8.1f}" for ms in (*row, sum(row))) for row in rows.values())
            ratios = " ".join(f"{sum(rows['python']) / sum(rows[who]):5.1f}x" for who in ("torchaudio", "hq"))
            print(f"{name:>16}  {cells}  {ratios}", flush=True)


main()
