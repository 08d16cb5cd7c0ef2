"""Frames as the benchmarks want them: one for each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.models import Embedder


def frames_by_time(
    embedder: Embedder, sound: dict[str, Any]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """`[frames, D]` and the seconds at which each begins: of AST and CED, which have a frame for each band, the mean of all bands."""
    frames, starts = embedder.frames(sound)
    times, place, count = np.unique(starts, return_inverse=True, return_counts=True)
    sums = np.zeros((len(times), frames.shape[1]))
    np.add.at(sums, place, frames)
    return (sums / count[:, None]).astype(np.float32), times
