"""An encoder for X-ARES (arXiv:2505.16369), in one object over torch tensors.

    from earmark.benchmarks.xares import EarmarkEncoder
    encoder = EarmarkEncoder("./model")
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from earmark.benchmarks._frames import frames_by_time
from earmark.models import Embedder

__all__ = ["EarmarkEncoder"]


class EarmarkEncoder(torch.nn.Module):  # type: ignore[misc,unused-ignore]  # torch may have no types
    """Frames of the last hidden states. It computes on the CPU and has no parameters of torch's.

    Args:
        model: A folder in Hugging Face layout, or a name on the Hub.
    """

    def __init__(self, model: str | os.PathLike[str]) -> None:
        super().__init__()
        self.embedder = Embedder(model)
        #: Hz.
        self.sampling_rate = self.embedder.sampling_rate
        frames, starts = frames_by_time(self.embedder, self._sound(np.zeros(2 * self.sampling_rate, np.float32)))
        #: D.
        self.output_dim = int(frames.shape[1])
        #: Milliseconds from one frame to the next.
        self.hop_size_in_ms = 1000 * float(starts[1] - starts[0])

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """`[B, samples]`, or `[samples]`, to `[B, frames, D]`."""
        clips = torch.atleast_2d(audio).cpu().numpy()
        frames = [frames_by_time(self.embedder, self._sound(clip))[0] for clip in clips]
        return torch.from_numpy(np.stack(frames)).to(audio.device)

    def _sound(self, samples: npt.NDArray[np.float32]) -> dict[str, Any]:
        return {"array": samples, "sampling_rate": self.sampling_rate}
