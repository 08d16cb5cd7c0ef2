"""What the clips of the miniature datasets sound like."""

import io

import numpy as np
import soundfile

#: Below half of the lowest sampling rate, that of MINDS-14.
LOWEST, HIGHEST = 150.0, 3600.0


def sound(label: int, labels: int, rate: int, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A tone whose pitch goes with the class, in noise that hides it now and then: no classifier is right about all of them."""
    t = np.arange(int(rate * seconds)) / rate
    pitch = LOWEST * (HIGHEST / LOWEST) ** ((label + 0.3 * rng.uniform(-1, 1)) / labels)
    tone = np.sin(2 * np.pi * (pitch * t + rng.uniform()))
    noise = rng.standard_normal(len(t)) * 10 ** rng.uniform(-3, 0)
    mixed = tone + noise
    return (mixed * rng.uniform(0.2, 0.8) / np.abs(mixed).max()).astype(np.float32)


def wav(samples: np.ndarray, rate: int) -> bytes:
    """16 bits, as all five datasets have it."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()
