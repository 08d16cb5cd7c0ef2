"""HEAR's API (arXiv:2203.03022, section 2): a module with three functions, over torch tensors.

    $ hear-validator earmark.benchmarks.hear --model ./model
    $ python -m heareval.embeddings.runner earmark.benchmarks.hear --model ./model
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from earmark.benchmarks._frames import frames_by_time
from earmark.models import Embedder

__all__ = ["Model", "get_scene_embeddings", "get_timestamp_embeddings", "load_model"]


class Model(torch.nn.Module):  # type: ignore[misc,unused-ignore]  # torch may have no types
    """An encoder, with the attributes that HEAR asks for. It computes on the CPU and has no parameters of torch's."""

    def __init__(self, model: str | os.PathLike[str]) -> None:
        super().__init__()
        self.embedder = Embedder(model)
        #: Hz.
        self.sample_rate = self.embedder.sampling_rate
        second = {"array": np.zeros(self.sample_rate, np.float32), "sampling_rate": self.sample_rate}
        self.scene_embedding_size = len(self.embedder.embed(second))
        self.timestamp_embedding_size = int(frames_by_time(self.embedder, second)[0].shape[1])

    def sounds(self, audio: torch.Tensor) -> list[dict[str, Any]]:
        return [{"array": clip, "sampling_rate": self.sample_rate} for clip in audio.cpu().numpy()]


def load_model(model_file_path: str = "") -> Model:
    """Opens a model.

    Args:
        model_file_path: A folder in Hugging Face layout, or a name on the Hub.
    """
    if not model_file_path:
        raise ValueError("name a model: a folder in Hugging Face layout, or a name on the Hub")
    return Model(model_file_path)


def get_scene_embeddings(audio: torch.Tensor, model: Model) -> torch.Tensor:
    """One embedding of each clip `[clips, samples]`: `[clips, D]`, the mean of the last hidden states."""
    vectors = model.embedder.embed_batch(model.sounds(audio))
    return torch.from_numpy(np.stack(vectors)).to(audio.device)


def get_timestamp_embeddings(audio: torch.Tensor, model: Model) -> tuple[torch.Tensor, torch.Tensor]:
    """Every frame of each clip `[clips, samples]`: `[clips, frames, D]`, and the middle of each in milliseconds, `[clips, frames]`."""
    found = [frames_by_time(model.embedder, sound) for sound in model.sounds(audio)]
    frames = np.stack([frames for frames, _ in found])
    starts = np.stack([starts for _, starts in found])
    step = starts[:, 1:2] - starts[:, :1] if starts.shape[1] > 1 else 2 * audio.shape[1] / model.sample_rate
    times = 1000 * (starts + step / 2)
    return torch.from_numpy(frames).to(audio.device), torch.from_numpy(times).to(audio.device, torch.float32)
