"""The pipelines of transformers: the same arguments, the same shapes, the same numbers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, overload

from earmark.models import Classifier, ZeroShotClassifier, in_lists

__all__ = ["AudioClassificationPipeline", "ZeroShotAudioClassificationPipeline", "pipeline"]

_UNSET: Any = object()


class _Pipeline:
    """One sound gives its labels, a list of sounds a list, and a generator or a dataset an iterator that takes one batch at a time."""

    def _run(self, inputs: Any, batch_size: int, answer: Any) -> Any:
        if isinstance(inputs, list):
            return answer(inputs)
        if _is_stream(inputs):
            return _stream(inputs, batch_size, answer)
        return answer([inputs])[0]


class AudioClassificationPipeline(_Pipeline):
    """Labels of sounds. Made by `pipeline("audio-classification", model=...)`."""

    task = "audio-classification"

    def __init__(
        self, model: Classifier, top_k: int | None, function_to_apply: str | None, batch_size: int
    ) -> None:
        #: The model.
        self.model = model
        self._top_k, self._function_to_apply, self._batch_size = top_k, function_to_apply, batch_size

    def __repr__(self) -> str:
        return f"pipeline({self.task!r}, model={self.model.name!r})"

    def __call__(
        self,
        inputs: Any,
        *,
        top_k: int | None = _UNSET,
        function_to_apply: str | None = None,
        batch_size: int | None = None,
    ) -> Any:
        """Classifies `inputs`.

        Args:
            inputs: A sound (see `earmark.Sound`), a list of sounds, a generator, or a dataset.
            top_k: How many labels; `None` for all, as without it.
            function_to_apply: `softmax`, `sigmoid` or `none`.
            batch_size: Sounds of a generator or dataset that are read ahead and classified together.

        Returns:
            A list of `{"score": ..., "label": ...}`, best first; of a list of sounds a list of such lists; of a generator or dataset
            an iterator of them.
        """
        chosen = self._top_k if top_k is _UNSET else top_k
        function = function_to_apply or self._function_to_apply

        def answer(sounds: list[Any]) -> list[Any]:
            return self.model.classify_batch(sounds, top_k=chosen, function_to_apply=function)

        return self._run(inputs, batch_size or self._batch_size, answer)


class ZeroShotAudioClassificationPipeline(_Pipeline):
    """Labels of your choice. Made by `pipeline("zero-shot-audio-classification", model=...)`."""

    task = "zero-shot-audio-classification"

    def __init__(self, model: ZeroShotClassifier, batch_size: int) -> None:
        #: The model.
        self.model = model
        self._batch_size = batch_size

    def __repr__(self) -> str:
        return f"pipeline({self.task!r}, model={self.model.name!r})"

    def __call__(
        self,
        audios: Any,
        *,
        candidate_labels: Sequence[str],
        hypothesis_template: str = "This is a sound of {}.",
        batch_size: int | None = None,
    ) -> Any:
        """Scores `candidate_labels`, each in the place of `{}` in `hypothesis_template`.

        Returns:
            A list of `{"score": ..., "label": ...}`, best first; lists and iterators of them as `AudioClassificationPipeline`.
        """

        def answer(sounds: list[Any]) -> list[Any]:
            return self.model.classify_batch(
                sounds, candidate_labels, hypothesis_template=hypothesis_template
            )

        return self._run(audios, batch_size or self._batch_size, answer)


@overload
def pipeline(
    task: Literal["audio-classification"],
    model: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool = False,
    device: Any = None,
    batch_size: int = 1,
    top_k: int | None = None,
    function_to_apply: str | None = None,
) -> AudioClassificationPipeline: ...
@overload
def pipeline(
    task: Literal["zero-shot-audio-classification"],
    model: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool = False,
    device: Any = None,
    batch_size: int = 1,
) -> ZeroShotAudioClassificationPipeline: ...
def pipeline(
    task: str,
    model: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool = False,
    device: Any = None,
    batch_size: int = 1,
    top_k: int | None = None,
    function_to_apply: str | None = None,
) -> Any:
    """A pipeline as `transformers.pipeline` makes it.

    Args:
        task: `"audio-classification"` or `"zero-shot-audio-classification"`.
        model: A folder in Hugging Face layout, or a name on the Hub.
        revision: Branch, tag or commit on the Hub.
        token: A token for the Hub, in place of the environment's.
        cache_dir: Where downloads are kept, in place of the cache that transformers uses.
        offline: Never opens a connection.
        device: `None`, `"cpu"` or -1: this package computes on the CPU. The command `earmark` and the Rust crates know more devices.
        batch_size: Sounds of a generator or dataset that are classified together; results do not depend on it.
        top_k: How many labels; `None` for all. transformers 4.57 and 5.23 forget it at the first call; here it is kept.
        function_to_apply: `softmax`, `sigmoid` or `none`; what the model's configuration asks for if not given.

    Raises:
        OSError: The model cannot be found or fetched.
        ValueError: It is not a model for this task.
    """
    if device not in (None, -1) and str(device) != "cpu":
        raise ValueError(f'this package computes on the CPU: device is None, "cpu" or -1, not {device!r}')
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: it must be 1 or more")
    hub: dict[str, Any] = {
        "revision": revision, "token": token, "cache_dir": cache_dir, "offline": offline,
    }  # fmt: skip
    if task == AudioClassificationPipeline.task:
        return AudioClassificationPipeline(Classifier(model, **hub), top_k, function_to_apply, batch_size)
    if task == ZeroShotAudioClassificationPipeline.task:
        if top_k is not None or function_to_apply is not None:
            raise ValueError(f"top_k and function_to_apply are for 'audio-classification': {task!r} scores every label")
        return ZeroShotAudioClassificationPipeline(ZeroShotClassifier(model, **hub), batch_size)
    raise ValueError(
        f"Unknown task {task!r}: the tasks are 'audio-classification' and 'zero-shot-audio-classification'"
    )


def _is_stream(inputs: Any) -> bool:
    """Whether it is a generator, or a dataset: something with items that are not named and not numbers."""
    if isinstance(inputs, (str, bytes, bytearray, memoryview, os.PathLike, tuple)):
        return False
    if hasattr(inputs, "keys") or hasattr(inputs, "get_all_samples") or hasattr(inputs, "__array__"):
        return False
    try:
        memoryview(inputs)  # array.array, say: samples
        return False
    except TypeError:
        pass
    return isinstance(inputs, Iterable) or (hasattr(inputs, "__getitem__") and hasattr(inputs, "__len__"))


def _stream(inputs: Any, batch_size: int, answer: Any) -> Iterator[Any]:
    items = inputs if isinstance(inputs, Iterable) else (inputs[place] for place in range(len(inputs)))
    for batch in in_lists(items, batch_size):
        yield from answer(batch)
