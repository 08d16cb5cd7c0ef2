#!/usr/bin/env python3
"""Makes the goldens beside it: what transformers 5.23.0 and torchaudio 2.9.0 give for small synthetic clips.

    pip install transformers==5.23.0 torch==2.9.0 torchaudio==2.9.0 safetensors
    python make.py

Every file holds its inputs and its expected outputs; the settings are repeated in ../features/golden.rs.
"""

from pathlib import Path

import numpy as np
import torch
import torchaudio
from safetensors.numpy import save_file
from transformers import (
    ASTFeatureExtractor,
    ClapFeatureExtractor,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

HERE = Path(__file__).parent
torch.set_num_threads(1)
rng = np.random.default_rng(20240229)


def clip(samples, rate, offset=0.02):
    """A gliding tone in noise, with an offset and a stretch of digital silence: each has tripped up an extractor."""
    t = np.arange(samples) / rate
    x = 0.4 * np.sin(2 * np.pi * (300 + 400 * t) * t) + 0.05 * rng.standard_normal(samples) + offset
    x[samples // 3 : samples // 2] = 0.0
    return x.astype(np.float32)


def save(name, tensors):
    tensors = {key: np.ascontiguousarray(value) for key, value in tensors.items()}
    save_file(tensors, HERE / f"{name}.safetensors")


def resample():
    out = {}
    # The last two have almost no common divisor: 4001 is prime.
    for source, target in [(44100, 16000), (8000, 48000), (11025, 16000), (22255, 16000), (4001, 1600), (1600, 4001)]:
        x = clip(700, source)
        out[f"{source}_{target}.input"] = x
        out[f"{source}_{target}"] = torchaudio.functional.resample(torch.from_numpy(x), source, target).numpy()
    save("resample", out)


def wav2vec2():
    clips = [clip(1001, 16000), clip(640, 16000, -0.3), clip(127, 16000)]
    out = {f"clip{i}": x for i, x in enumerate(clips)}
    fe = Wav2Vec2FeatureExtractor()
    out["alone"] = fe(clips[0], sampling_rate=16000)["input_values"][0]
    left = Wav2Vec2FeatureExtractor(padding_side="left")
    valued = Wav2Vec2FeatureExtractor(padding_value=-1.0)
    for tag, fe, options in [
        ("longest_mask", fe, dict(padding=True, return_attention_mask=True)),
        ("longest", fe, dict(padding=True)),
        ("max_length", fe, dict(padding="max_length", max_length=1100, return_attention_mask=True)),
        ("truncated", fe, dict(padding=True, max_length=600, truncation=True, return_attention_mask=True)),
        (
            "multiple",
            fe,
            dict(padding="max_length", max_length=650, truncation=True, pad_to_multiple_of=64, return_attention_mask=True),
        ),
        ("left_mask", left, dict(padding=True, return_attention_mask=True)),
        ("valued_mask", valued, dict(padding=True, return_attention_mask=True)),
    ]:
        batch = fe(clips, sampling_rate=16000, return_tensors="np", **options)
        for key, value in batch.items():
            out[f"{tag}.{key}"] = value
    alone = [fe(x, sampling_rate=16000)["input_values"][0] for x in clips]
    collated = Wav2Vec2FeatureExtractor(return_attention_mask=True).pad(
        [{"input_values": x} for x in alone], padding=True, return_tensors="np"
    )
    for key, value in collated.items():
        out[f"collated.{key}"] = value
    save("wav2vec2", out)


def ast():
    x = clip(4000, 16000)
    out = {"clip": x}
    for tag, options in [
        ("padded", dict(max_length=32)),
        ("cut", dict(max_length=16, num_mel_bins=40, mean=-6.8, std=5.5)),
        ("raw", dict(max_length=32, num_mel_bins=80, do_normalize=False)),
    ]:
        out[tag] = ASTFeatureExtractor(**options)(x, sampling_rate=16000, return_tensors="np")["input_values"][0]
    y = clip(3000, 8000)
    eight = ASTFeatureExtractor(sampling_rate=8000, max_length=40, num_mel_bins=64)
    out["eight.clip"] = y
    out["eight"] = eight(y, sampling_rate=8000, return_tensors="np")["input_values"][0]
    save("ast", out)


def whisper():
    x, y = clip(9000, 16000), clip(17000, 16000)
    out = {"short": x, "long": y}
    for tag, wave, options, call in [
        ("short80", x, dict(feature_size=80), {}),
        ("long128", y, dict(feature_size=128), {}),
        ("hop200", x, dict(feature_size=20, hop_length=200, n_fft=512), {}),
        ("normalized", x, dict(feature_size=80), dict(do_normalize=True, return_attention_mask=True)),
    ]:
        fe = WhisperFeatureExtractor(chunk_length=1, **options)
        for key, value in fe(wave, sampling_rate=16000, return_tensors="np", **call).items():
            out[f"{tag}.{key}"] = value[0]
    save("whisper", out)


def clap():
    small = dict(sampling_rate=8000, max_length_s=1, hop_length=400, fft_window_size=512, frequency_max=3800)
    short, exact, hop, long = clip(1500, 8000), clip(8000, 8000), clip(8399, 8000), clip(20000, 8000)
    out = {"short": short, "exact": exact, "hop": hop, "long": long}

    def run(tag, wave, seed=1234, **options):
        np.random.seed(seed)
        fe = ClapFeatureExtractor(**small, **options)
        out[tag] = fe([wave], sampling_rate=8000, return_tensors="np")["input_features"][0]

    for padding in ("repeatpad", "repeat", "pad"):
        run(f"rand_trunc.{padding}", short, truncation="rand_trunc", padding=padding, frequency_min=50)
    run("rand_trunc.long", long, truncation="rand_trunc", frequency_min=50)
    run("fusion.short", short, truncation="fusion")
    run("fusion.exact", exact, truncation="fusion")
    run("fusion.hop", hop, truncation="fusion")
    run("fusion.long", long, truncation="fusion")

    # Crops and the clip marked as longer come from one stream of random numbers.
    fe = ClapFeatureExtractor(**small, truncation="fusion")
    longer = []
    for seed in range(8):
        np.random.seed(seed)
        longer.append(fe([short, exact, hop], sampling_rate=8000, return_tensors="np")["is_longer"].reshape(-1))
    out["batch.is_longer"] = np.stack(longer).astype(np.uint8)
    np.random.seed(99)
    out["numpy.randint"] = np.array([np.random.randint(0, n) for n in (1, 2, 3, 10, 1000, 96001, 2**31) * 100])
    save("clap", out)


def seamless():
    even, odd, short = clip(2000, 16000), clip(2160, 16000, -0.3), clip(560, 16000)
    out = {"even": even, "odd": odd, "short": short}
    for tag, wave, options in [
        ("even80", even, {}),
        ("odd80", odd, dict(padding_value=1.0)),
        ("short20", short, dict(num_mel_bins=20)),
        ("eight", odd, dict(sampling_rate=8000)),
    ]:
        fe = SeamlessM4TFeatureExtractor(**options)
        for key, value in fe(wave, sampling_rate=fe.sampling_rate, return_tensors="np").items():
            out[f"{tag}.{key}"] = value[0]
    save("seamless", out)


def ced():
    """CED's extractor is these two of torchaudio; it is no part of transformers (tests/golden/ced.py runs that of its authors)."""
    wave, short = clip(8000, 16000), clip(257, 16000)
    out = {"wave": wave, "short": short}
    for tag, samples, options in [
        ("default", wave, {}),
        ("least", short, {}),
        ("narrow", wave, dict(f_min=50, f_max=7000, win_length=400)),
        ("small", wave, dict(n_mels=40, n_fft=256, win_length=256, hop_length=128)),
        ("eight", wave, dict(sample_rate=8000)),
    ]:
        options = dict(sample_rate=16000, n_fft=512, win_length=512, hop_length=160, n_mels=64, f_min=0) | options
        levels = torchaudio.transforms.MelSpectrogram(**options)(torch.from_numpy(samples)[None])
        out[tag] = torchaudio.transforms.AmplitudeToDB(top_db=120)(levels)[0].T.numpy()
    save("ced", out)


for make in (resample, wav2vec2, ast, whisper, clap, seamless, ced):
    make()
