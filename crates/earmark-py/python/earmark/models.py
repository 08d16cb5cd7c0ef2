"""Models that classify or embed sounds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict, TypeVar

from earmark import _earmark
from earmark.hub import hub_settings
from earmark.sounds import Sound, native

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vector = npt.NDArray[np.float32]
    Errors = Literal["raise", "return"]

#: Hidden states: a number as `output_hidden_states` of transformers has it, or one of these.
Layer = int | Literal["last", "all", "weighted", "xvector"]
#: How the frames of a hidden state become one vector.
Pool = Literal["mean", "max", "cls", "none"]

__all__ = ["Classifier", "Embedder", "Layer", "Pool", "Prediction", "Window", "ZeroShotClassifier"]

#: Sounds that the native module gets at a time: Ctrl-C works between two batches.
BATCH = 32

_T = TypeVar("_T")


class Prediction(TypedDict):
    """A label and its score."""

    score: float
    label: str


class Window(TypedDict):
    """A window of a recording, in seconds, and its labels."""

    start: float
    end: float
    predictions: list[Prediction]


class _Model:
    """What all three kinds have.

    Args:
        model: A folder in Hugging Face layout, or a name on the Hub, `owner/name`.
        revision: Branch, tag or commit on the Hub.
        token: A token for the Hub, in place of the environment's. It is not pickled.
        cache_dir: Where downloads are kept, in place of the cache that transformers uses.
        offline: Never opens a connection.
        compat: `"transformers"` mixes and resamples sound files as the pipelines of transformers do; `None` as earmark does.
    """

    _native: Any
    _open: ClassVar[Any]

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        offline: bool = False,
        compat: Literal["transformers"] | None = "transformers",
    ) -> None:
        if compat not in ("transformers", None):
            raise ValueError(f'compat is "transformers" or None, not {compat!r}')
        #: The folder, or the name on the Hub.
        self.name = os.fspath(model)
        hub = hub_settings(revision, token, cache_dir, offline)
        self._settings: dict[str, Any] = {**hub, "token": None, "compat": compat}
        self._native = self._open(self.name, hub, compat is not None)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.name, **self._settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # another process opens the model again

    @property
    def sampling_rate(self) -> int:
        """The model's sample rate, in Hz."""
        rate: int = self._native.sampling_rate
        return rate


class Classifier(_Model):
    """A model with fixed labels: AST, Wav2Vec2, HuBERT, Whisper and the others with a classification head.

    Threads may share one. It computes on the CPU, on all cores or as many as the environment variable `RAYON_NUM_THREADS` says.
    """

    _native: _earmark.Classifier
    _open = _earmark.Classifier

    @property
    def labels(self) -> list[str]:
        """The labels, in the order of their ids."""
        return self._native.labels

    def classify(
        self, sound: Sound, *, top_k: int | None = 5, function_to_apply: str | None = None
    ) -> list[Prediction]:
        """The labels of one sound with their scores, best first.

        Args:
            sound: See `earmark.Sound`.
            top_k: How many labels; `None` for all.
            function_to_apply: `softmax`, `sigmoid` or `none`; what the model's configuration asks for if not given.
        """
        answer: list[Prediction] = self.classify_batch(
            [sound], top_k=top_k, function_to_apply=function_to_apply
        )[0]
        return answer

    def classify_batch(
        self,
        sounds: Iterable[Sound],
        *,
        top_k: int | None = 5,
        function_to_apply: str | None = None,
        errors: Errors = "raise",
    ) -> list[Any]:
        """The labels of many sounds, in order.

        Args:
            errors: `"raise"` the first exception, or `"return"` each in the place of its sound, so that no other is lost.
        """

        def scored(batch: list[Any]) -> list[Any]:
            return self._native.classify(batch, top_k, function_to_apply)

        return [_predictions(it) for it in _in_batches(sounds, scored, errors)]

    def logits(self, sounds: Iterable[Sound], *, errors: Errors = "raise") -> list[Any]:
        """The logits of each sound, one per label."""
        return list(_in_batches(sounds, self._native.logits, errors))

    def windows(
        self,
        path: str | os.PathLike[str],
        length: float,
        hop: float | None = None,
        *,
        top_k: int | None = 5,
        function_to_apply: str | None = None,
    ) -> Iterator[Window]:
        """Classifies windows of a recording of any length, while it is being decoded.

        Args:
            path: The sound file.
            length: Seconds of a window.
            hop: Seconds between the starts of two windows; `length` if not given.
        """
        windows = self._native.windows(
            os.fspath(path), length, length if hop is None else hop, top_k, function_to_apply
        )
        while batch := windows.next_batch():
            for start, end, scored in batch:
                yield {"start": start, "end": end, "predictions": _predictions(scored)}


class ZeroShotClassifier(_Model):
    """CLAP: labels of your choice. Takes the same arguments as `Classifier`."""

    _native: _earmark.ZeroShotClassifier
    _open = _earmark.ZeroShotClassifier

    def classify(
        self,
        sound: Sound,
        candidate_labels: Sequence[str],
        *,
        hypothesis_template: str = "This is a sound of {}.",
    ) -> list[Prediction]:
        """Every label with its score, best first; the scores sum to 1."""
        answer: list[Prediction] = self.classify_batch(
            [sound], candidate_labels, hypothesis_template=hypothesis_template
        )[0]
        return answer

    def classify_batch(
        self,
        sounds: Iterable[Sound],
        candidate_labels: Sequence[str],
        *,
        hypothesis_template: str = "This is a sound of {}.",
        errors: Errors = "raise",
    ) -> list[Any]:
        """Every label with its score for many sounds, in order. `errors` is as for `Classifier.classify_batch`."""
        if isinstance(candidate_labels, str):
            raise TypeError(f"candidate_labels is a list of labels, not the one text {candidate_labels!r}")
        labels = list(candidate_labels)

        def scored(batch: list[Any]) -> list[Any]:
            return self._native.classify(batch, labels, hypothesis_template)

        return [_predictions(it) for it in _in_batches(sounds, scored, errors)]


class Embedder(_Model):
    """Embeddings by any checkpoint, with a classification head or without, or by CLAP. Takes the same arguments as `Classifier`.

    An embedding is the mean of the last hidden states over time, for AST that of its two tokens for the whole clip; for CLAP the
    projection into the space that it shares with texts, of length 1.
    """

    _native: _earmark.Embedder
    _open = _earmark.Embedder

    def embed(self, sound: Sound, *, layer: Layer | None = None, pool: Pool | None = None) -> Vector:
        """The embedding of one sound: a vector of float32.

        Args:
            layer: Which hidden states, numbered as `output_hidden_states` of transformers numbers them; `"weighted"` for the sum by the
                checkpoint's `layer_weights`; `"all"` for an array `[layers, D]`; by default `"xvector"` of a speaker-embedding model,
                `"last"` of others.
            pool: How frames become one vector; what the model's own head does if not given. `"none"` keeps them: `[frames, D]`.
        """
        vector: Vector = self.embed_batch([sound], layer=layer, pool=pool)[0]
        return vector

    def embed_batch(
        self, sounds: Iterable[Sound], *, layer: Layer | None = None, pool: Pool | None = None, errors: Errors = "raise"
    ) -> list[Any]:
        """The embeddings of many sounds, in order. `errors` is as for `Classifier.classify_batch`."""
        found = self._states(sounds, layer, pool, errors)
        return [it if isinstance(it, BaseException) else it[0] for it in found]

    def frames(self, sound: Sound, *, layer: Layer = "last") -> tuple[Vector, npt.NDArray[np.float64]]:
        """Every frame of one sound, `[frames, D]`, and the seconds at which each begins."""
        found: tuple[Vector, npt.NDArray[np.float64]] = next(self._states([sound], layer, "none", "raise"))
        return found

    def _states(self, sounds: Iterable[Sound], layer: Layer | None, pool: Pool | None, errors: Errors) -> Iterator[Any]:
        return _in_batches(sounds, lambda batch: self._native.embed(batch, None if layer is None else str(layer), pool), errors)

    def embed_texts(self, texts: Sequence[str]) -> list[Vector]:
        """The embeddings of texts, each of length 1, to compare with those of sounds: CLAP models only."""
        if isinstance(texts, str):
            raise TypeError(f"texts is a list of texts, not the one text {texts!r}")
        return self._native.embed_texts(list(texts))


def _predictions(scored: Any) -> Any:
    if isinstance(scored, BaseException):
        return scored
    return [{"score": score, "label": label} for label, score in scored]


def _in_batches(sounds: Iterable[Sound], answer: Any, errors: str) -> Iterator[Any]:
    """The answer to each sound, in order. A sound that cannot be one is the exception that says so, as one that cannot be decoded."""
    if errors not in ("raise", "return"):
        raise ValueError(f'errors is "raise" or "return", not {errors!r}')
    if isinstance(sounds, (str, bytes, bytearray, memoryview, os.PathLike)) or hasattr(sounds, "keys"):
        raise TypeError("this takes a list of sounds; for one sound there is `classify` or `embed`")
    for batch in in_lists(sounds, BATCH):
        answers: list[Any] = []
        readable: list[Any] = []
        for sound in batch:
            try:
                readable.append(native(sound))
                answers.append(None)
            except (TypeError, ValueError) as error:
                answers.append(error)
        answered = iter(answer(readable))
        for place, failure in enumerate(answers):
            found = next(answered) if failure is None else failure
            if isinstance(found, BaseException) and errors == "raise":
                raise found
            answers[place] = found
        yield from answers


def in_lists(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """The items in lists of `size`, the last perhaps shorter."""
    batch: list[_T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
