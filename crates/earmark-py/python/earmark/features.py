"""What a model reads, without the model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from earmark import _earmark
from earmark.hub import hub_settings
from earmark.sounds import native

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["FeatureExtractor"]


class FeatureExtractor:
    """The feature extractor of a model: normalised samples or a log-mel spectrogram, equal to that of transformers.

    Args:
        model: A folder in Hugging Face layout, or a name on the Hub, of which only the configuration is fetched.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        offline: bool = False,
    ) -> None:
        #: The folder, or the name on the Hub.
        self.name = os.fspath(model)
        self._native = _earmark.FeatureExtractor(self.name, hub_settings(revision, token, cache_dir, offline))

    def __repr__(self) -> str:
        return f"FeatureExtractor({self.name!r}, sampling_rate={self.sampling_rate})"

    @property
    def sampling_rate(self) -> int:
        """The sample rate that it takes, in Hz."""
        return self._native.sampling_rate

    def __call__(self, samples: Any, sampling_rate: int) -> dict[str, npt.NDArray[Any]]:
        """The arrays of one clip by their names (`input_values` or `input_features`, `attention_mask`, `is_longer`), with a batch axis of 1.

        Raises:
            ValueError: `sampling_rate` is another than the extractor's, or the clip is too short.
        """
        sound = native({"array": samples, "sampling_rate": sampling_rate})
        assert isinstance(sound, tuple)
        return self._native.extract(sound[0], sampling_rate)
