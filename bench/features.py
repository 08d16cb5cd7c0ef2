#!/usr/bin/env python3
"""Times the way from a sound file to features here and in Python, turn by turn in one run, on one thread each.

    cargo build --release -p earmark-features --example time_features
    python bench/features.py [--rounds 7] [--fastest] [--formats wav flac mp3 ogg] [--binary FILE]

There are two ways in Python, and each is set against the resampler here that stands for it:

- librosa: `librosa.load(file, sr=rate)`, which decodes by libsndfile and resamples by soxr; against `hq`.
- torchaudio: decoded by libsndfile with nothing around it (`torchaudio.load` of 2.9 needs a separate package, and read
  by libsndfile before), down-mixed and resampled by `torchaudio.functional.resample`; against `torchaudio`.

Then the extractor of transformers. Both sides run in a process that stays, and have seen the file before. In each turn
every way runs once; the median of the turns counts, step by step. Needs transformers, torch, torchaudio, librosa and soundfile.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from itertools import product
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
FORMATS = {
    "wav": dict(format="WAV", subtype="PCM_16"),
    "flac": dict(format="FLAC", subtype="PCM_16"),
    "mp3": dict(format="MP3"),
    "ogg": dict(format="OGG", subtype="VORBIS"),
}
STEPS = ("decode", "resample", "extract")
WAYS = {"librosa": "hq", "torchaudio": "torchaudio"}


def music(seconds, rate):
    """Notes that fade over pink noise, in stereo: silence or white noise would be a codec's best and worst case."""
    rng = np.random.default_rng(0)
    samples = int(seconds * rate)
    spectrum = np.fft.rfft(rng.standard_normal((2, samples)))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.fft.rfftfreq(samples, 1 / rate), 20)), samples).T
    sound = 0.03 * pink / pink.std()
    for start in range(0, samples, rate // 4):
        t = np.arange(min(rate, samples - start)) / rate
        pitch, left = 110 * 2 ** (rng.integers(0, 36) / 12), rng.uniform(0.2, 0.8)
        note = sum(np.sin(2 * np.pi * pitch * n * t) / n for n in range(1, 9)) * 0.08 * np.exp(-4 * t)
        sound[start : start + len(t)] += note[:, None] * [left, 1 - left]
    return np.clip(sound, -0.99, 0.99)


def in_python(way, path, extractor):
    start = time.perf_counter()
    if way == "librosa":
        wave, rate = librosa.load(path, sr=None, mono=True)
    else:
        wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
        wave = torch.from_numpy(wave).mean(dim=1)
    decoded = time.perf_counter()
    target = extractor.sampling_rate
    if way == "librosa":
        wave = librosa.resample(wave, orig_sr=rate, target_sr=target)
    else:
        wave = torchaudio.functional.resample(wave, rate, target).numpy()
    resampled = time.perf_counter()
    extractor(wave, sampling_rate=target, return_tensors="pt")
    extracted = time.perf_counter()
    return dict(zip(STEPS, (decoded - start, resampled - decoded, extracted - resampled)))


class Here:
    def __init__(self, binary):
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, resampler, path, config):
        print(path, config, resampler, sep="\t", file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def same_work(step, extension, name):
    """What a step depends on: turns that differ in nothing of it count together."""
    rate = EXTRACTORS[name].sampling_rate
    return step, {"decode": (extension, rate), "resample": rate, "extract": name}[step]


def largest_resident_set(process):
    """In MB; Linux only. (`getrusage` would count the moment in which the child was still a copy of Python.)"""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--rate", type=int, default=44100)
    arguments.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    arguments.add_argument("--fastest", action="store_true", help="not the median: for a machine that is not idle")
    arguments.add_argument("--binary", default="target/release/examples/time_features")
    options = arguments.parse_args()
    choose, chosen = (min, "fastest") if options.fastest else (statistics.median, "median")
    here, times = Here(options.binary), defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        sound = music(options.seconds, options.rate)
        for extension in options.formats:
            soundfile.write(folder / f"clip.{extension}", sound, options.rate, **FORMATS[extension])
        for name, extractor in EXTRACTORS.items():
            (folder / f"{name}.json").write_text(extractor.to_json_string())
        for turn in range(options.rounds + 1):
            for extension, (name, extractor), way in product(options.formats, EXTRACTORS.items(), WAYS):
                clip = str(folder / f"clip.{extension}")
                both = in_python(way, clip, extractor), here.run(WAYS[way], clip, str(folder / f"{name}.json"))
                if turn > 0:  # The first pays for pages, caches and plans.
                    for side, steps in zip(("python", "here"), both):
                        for step in STEPS:
                            times[side, way, same_work(step, extension, name)].append(steps[step])

    def ms(side, way, step, extension, name):
        return 1e3 * choose(times[side, way, same_work(step, extension, name)])

    def row(cells):
        print("|", " | ".join(cells), "|")

    print(f"{options.seconds:g} s of stereo at {options.rate} Hz, one thread, {chosen} of {options.rounds} turns.")
    print("\nHow many times faster, against librosa / torchaudio:\n")
    row(["", *options.formats])
    row(["---"] * (1 + len(options.formats)))
    for name in EXTRACTORS:
        total = lambda side, way, extension: sum(ms(side, way, step, extension, name) for step in STEPS)
        ratio = lambda way, extension: total("python", way, extension) / total("here", way, extension)
        row([name, *(" / ".join(f"{ratio(way, extension):.1f}" for way in WAYS) for extension in options.formats)])
    print("\nMilliseconds:\n")
    row(["", *(f"{way} | here, {resampler}" for way, resampler in WAYS.items())])
    row(["---"] * (1 + 2 * len(WAYS)))
    some = options.formats[0]
    for label, step, extension, name in (
        *((f"{extension}, decode", "decode", extension, "wav2vec2") for extension in options.formats),
        ("resample to 16 kHz", "resample", some, "wav2vec2"),
        ("resample to 48 kHz", "resample", some, "clap fusion"),
        *((f"{name}, extract", "extract", some, name) for name in EXTRACTORS),
    ):
        sides = ((side, way) for way in WAYS for side in ("python", "here"))
        row([label, *(f"{ms(side, way, step, extension, name):.1f}" for side, way in sides)])
    theirs, ours = (largest_resident_set(process) for process in ("self", here.process.pid))
    print(f"\nlargest resident set: {theirs:.0f} MB in Python, {ours:.0f} MB here")
    here.process.stdin.close()
    here.process.wait()


main()
