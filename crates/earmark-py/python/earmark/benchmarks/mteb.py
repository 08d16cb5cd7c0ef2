"""An encoder for the audio tasks of MTEB (MAEB: GTZANGenre, ESC50, SpeechCommands, MInDS14 and others).

    import mteb
    from earmark.benchmarks.mteb import EarmarkEncoder
    mteb.evaluate(EarmarkEncoder("openai/whisper-base"), mteb.get_tasks(["ESC50"]))
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.modality_collators import AudioCollator
from mteb.models.model_meta import ModelMeta

from earmark.models import Embedder, Layer, Pool

__all__ = ["EarmarkEncoder"]


class EarmarkEncoder(AbsEncoder):  # type: ignore[misc,unused-ignore]  # mteb may not be installed
    """One vector for each clip. With CLAP, for each text as well.

    Args:
        model: A folder in Hugging Face layout, or a name on the Hub.
        layer: Which hidden states; see `earmark.Embedder.embed`.
        pool: How their frames become one vector.
    """

    def __init__(self, model: str | os.PathLike[str], *, layer: Layer | None = None, pool: Pool | None = None) -> None:
        self.embedder = Embedder(model)
        self.layer, self.pool = layer, pool
        # MTEB names a model OWNER/NAME, and gives it only the tasks whose inputs it takes.
        name = self.embedder.name if os.fspath(model).count("/") == 1 else f"local/{os.path.basename(os.path.abspath(model))}"
        modalities = ["audio", "text"] if self._has_texts() else ["audio"]
        self.mteb_model_meta = ModelMeta.create_empty({"name": name, "modalities": modalities})

    def _has_texts(self) -> bool:
        try:
            self.embedder.embed_texts(["a sound"])
        except ValueError:
            return False
        return True

    def encode(self, inputs: Any, **kwargs: Any) -> npt.NDArray[np.float32]:
        """`[clips, D]`."""
        features = getattr(inputs.dataset, "features", None) or {}
        if "audio" not in features and "text" in features:
            return np.stack([vector for batch in inputs for vector in self.embedder.embed_texts(batch["text"])])
        # As MTEB's own wrappers have it: mixed to mono, and resampled to the rate of the model.
        inputs.collate_fn = AudioCollator(target_sampling_rate=self.embedder.sampling_rate)
        vectors: list[npt.NDArray[np.float32]] = []
        for batch in inputs:
            sounds = [{"array": np.asarray(it["array"]), "sampling_rate": it["sampling_rate"]} for it in batch["audio"]]
            vectors += self.embedder.embed_batch(sounds, layer=self.layer, pool=self.pool)
        return np.stack(vectors)
