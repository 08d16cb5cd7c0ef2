"""Classification of Ray datasets: an actor holds the model, and every row that goes in comes out.

    >>> import ray, earmark.ray
    >>> rows = ray.data.read_audio("s3://bucket/clips/", include_paths=True)
    >>> labelled = rows.map_batches(
    ...     earmark.ray.Classify,
    ...     fn_constructor_kwargs={"model": "superb/hubert-base-superb-ks"},
    ...     concurrency=4,
    ...     batch_size=32,
    ... )
    >>> labelled.write_parquet("s3://bucket/labels/")

Ray itself is not imported: a batch is a dict of columns, so `map_batches` of anything else that has such batches will do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from earmark.models import Classifier
from earmark.sounds import mono

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Classify"]

#: Columns with the sound itself, which the rows that come out do not have.
_SOUNDS = ("amplitude", "bytes", "audio")


class Classify:
    """For `Dataset.map_batches`: adds the columns `labels` and `scores` (best first) and `error` (text, or null) to each row.

    The sound of a row is, whichever it has: `amplitude` with `sample_rate`, as `ray.data.read_audio` makes them (channels by samples);
    `bytes`, as `ray.data.read_binary_files`; `audio`, a column of a Parquet dataset of the Hub; or `path`. A sound that cannot be
    classified has empty `labels` and says why in `error`.

    Args:
        model: A folder in Hugging Face layout, or a name on the Hub.
        top_k: How many labels; `None` for all.
        function_to_apply: `softmax`, `sigmoid` or `none`; what the model's configuration asks for if not given.
        compat: `"transformers"` mixes and resamples as its pipelines do; `None` as the command `earmark classify` does.
        keep_sounds: Whether the rows that come out have the column with the sound, too.
        threads: Cores that one actor uses. As many as Ray gives it with `num_cpus` (at least 1) if not given.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        top_k: int | None = 5,
        function_to_apply: str | None = None,
        compat: Literal["transformers"] | None = None,
        keep_sounds: bool = False,
        threads: int | None = None,
    ) -> None:
        # Read when the first model is opened. Ray sets OMP_NUM_THREADS to the actor's share.
        share = threads or os.environ.get("OMP_NUM_THREADS")
        if share and "RAYON_NUM_THREADS" not in os.environ:
            os.environ["RAYON_NUM_THREADS"] = str(share)
        self._classifier = Classifier(model, compat=compat)
        self._top_k, self._function_to_apply = top_k, function_to_apply
        self._keep_sounds = keep_sounds

    def __call__(self, batch: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
        import numpy as np

        sounds = _sounds(batch)
        answers = self._classifier.classify_batch(
            sounds, top_k=self._top_k, function_to_apply=self._function_to_apply, errors="return"
        )
        out = {
            name: column for name, column in batch.items() if self._keep_sounds or name not in _SOUNDS
        }
        failed = [isinstance(answer, BaseException) for answer in answers]
        labels, scores = np.empty(len(answers), object), np.empty(len(answers), object)
        for row, answer in enumerate(answers):
            predictions = [] if failed[row] else answer
            labels[row] = [it["label"] for it in predictions]
            scores[row] = [it["score"] for it in predictions]
        errors = [str(it) if bad else None for it, bad in zip(answers, failed)]
        return out | {"labels": labels, "scores": scores, "error": np.array(errors, object)}


def _sounds(batch: Mapping[str, npt.NDArray[Any]]) -> list[Any]:
    if "amplitude" in batch:
        if "sample_rate" not in batch:
            raise ValueError('the column "amplitude" needs the column "sample_rate" beside it')
        pairs = zip(batch["amplitude"], batch["sample_rate"])
        return [{"array": mono(samples), "sampling_rate": int(rate)} for samples, rate in pairs]
    for name in ("bytes", "audio", "path"):
        if name in batch:
            return list(batch[name])
    raise ValueError(
        f'a batch needs a column "amplitude" (with "sample_rate"), "bytes", "audio" or "path", and this one has {sorted(batch)}'
    )
