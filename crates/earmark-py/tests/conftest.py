"""Two tiny models of the repository's goldens, and sounds that are made here."""

from __future__ import annotations

import json
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).resolve().parents[3] / "tests" / "golden"
RATE = 16_000


@pytest.fixture(scope="session")
def model() -> str:
    """A Wav2Vec2 with three labels."""
    return str(GOLDEN / "speech" / "wav2vec2")


@pytest.fixture(scope="session")
def clap(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A CLAP for clips of a second."""
    folder = tmp_path_factory.mktemp("clap")
    shutil.copytree(GOLDEN / "clap" / "unfused", folder, dirs_exist_ok=True)
    extractor = {
        "feature_extractor_type": "ClapFeatureExtractor",
        "feature_size": 8,
        "hop_length": 3200,
        "max_length_s": 1,
        "truncation": "rand_trunc",
        "sampling_rate": 48_000,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(extractor))
    return str(folder)


@pytest.fixture(scope="session")
def samples() -> np.ndarray:
    """A second at the model's rate, in steps of 1/32768, so that a 16-bit file holds the same."""
    seconds = np.arange(RATE) / RATE
    tone = 0.4 * np.sin(2 * np.pi * 440 * seconds) + 0.1 * np.sin(2 * np.pi * 3000 * seconds)
    return (np.round(tone * 32768) / 32768).astype(np.float32)


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray) -> str:
    """The same second as a WAV file."""
    path = tmp_path_factory.mktemp("sounds") / "tone.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((samples * 32768).astype("<i2").tobytes())
    return str(path)
