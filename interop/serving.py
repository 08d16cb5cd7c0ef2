"""What the checks of `earmark serve` share: the server, tiny models and clips."""

import contextlib
import json
import shutil
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy

GOLDEN = Path("tests/golden")
RATE = 16_000


@contextlib.contextmanager
def served(binary: str, model: Path, *args: object) -> Iterator[str]:
    """The address of a server that runs meanwhile."""
    command = [binary, "serve", "--model", model, "--port", 0, "--no-open", "--device", "cpu", "--offline", *args]
    server = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip()
        assert address.startswith("http://"), f"`{' '.join(map(str, command))}` printed no address"
        yield address
    finally:
        server.terminate()
        server.wait(30)


def classifier() -> Path:
    return GOLDEN / "speech/group"


def zero_shot(folder: Path) -> Path:
    """The golden CLAP model, which is a network and a tokenizer, with the files beside them that the pipeline needs."""
    shutil.copytree(GOLDEN / "clap/unfused", folder)
    extractor = {
        "feature_extractor_type": "ClapFeatureExtractor", "feature_size": 8, "hop_length": 1600, "max_length_s": 1,
        "truncation": "rand_trunc", "frequency_min": 50, "sampling_rate": RATE, "fft_window_size": 512,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(extractor))
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 32}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    return folder


def clips(folder: Path, seed: int, count: int, seconds: float) -> list[Path]:
    """16-bit WAVs of noise, each louder and a little longer than the last."""
    random = numpy.random.RandomState(seed)
    paths = []
    for number in range(count):
        samples = random.randn(int(RATE * seconds) + 100 * number) * 1000 * (number + 1)
        paths.append(folder / f"clip {number}.wav")
        with wave.open(str(paths[-1]), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(samples.clip(-32768, 32767).astype("<i2").tobytes())
    return paths
