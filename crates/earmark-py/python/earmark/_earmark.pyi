# The native half, in Rust.
from typing import Any

import numpy as np
import numpy.typing as npt

__version__: str

_Sound = str | bytes | tuple[npt.NDArray[np.float32], int | None]
_Scored = list[tuple[str, float]]

class Classifier:
    def __new__(
        cls,
        model: str,
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | None = None,
        offline: bool = False,
        like_transformers: bool = True,
    ) -> Classifier: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def sampling_rate(self) -> int: ...
    def classify(
        self, sounds: list[_Sound], top_k: int | None = None, function_to_apply: str | None = None
    ) -> list[_Scored | Exception]: ...
    def logits(self, sounds: list[_Sound]) -> list[npt.NDArray[np.float32] | Exception]: ...
    def windows(
        self,
        path: str,
        length: float,
        hop: float,
        top_k: int | None = None,
        function_to_apply: str | None = None,
    ) -> Windows: ...

class Windows:
    def next_batch(self) -> list[tuple[float, float, _Scored]]: ...

class ZeroShotClassifier:
    def __new__(
        cls,
        model: str,
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | None = None,
        offline: bool = False,
        like_transformers: bool = True,
    ) -> ZeroShotClassifier: ...
    @property
    def sampling_rate(self) -> int: ...
    def classify(self, sounds: list[_Sound], labels: list[str], template: str) -> list[_Scored | Exception]: ...

class Embedder:
    def __new__(
        cls,
        model: str,
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | None = None,
        offline: bool = False,
        like_transformers: bool = True,
    ) -> Embedder: ...
    @property
    def sampling_rate(self) -> int: ...
    def embed(self, sounds: list[_Sound]) -> list[npt.NDArray[np.float32] | Exception]: ...
    def embed_texts(self, texts: list[str]) -> list[npt.NDArray[np.float32]]: ...

class FeatureExtractor:
    def __new__(
        cls,
        model: str,
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | None = None,
        offline: bool = False,
    ) -> FeatureExtractor: ...
    @property
    def sampling_rate(self) -> int: ...
    def extract(self, samples: npt.NDArray[np.float32], sampling_rate: int) -> dict[str, npt.NDArray[Any]]: ...

def load_audio(
    sound: _Sound, sampling_rate: int | None = None, *, downmix: str = "mean", resampler: str = "hq"
) -> tuple[npt.NDArray[np.float32], int]: ...
