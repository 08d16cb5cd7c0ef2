"""What may stand for a sound."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Union

from earmark import _earmark

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

__all__ = ["Sound", "load_audio"]

#: A path or an http(s) address, the bytes of a sound file, an array of samples at the model's rate (NumPy, torch, or anything that
#: `numpy.asarray` takes), or a dict: `{"raw" or "array": samples, "sampling_rate": Hz}`, `{"bytes": ..., "path": ...}` as `datasets` has
#: it without decoding, or an `AudioDecoder` of torchcodec.
Sound = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, Mapping[str, Any], "npt.ArrayLike"]

_KEYS = (
    'a dict of a sound needs "raw" or "array" with the samples and "sampling_rate" with their rate, or "bytes" or "path" '
    "with a sound file"
)


def native(sound: Any) -> str | bytes | tuple[Samples, int | None]:
    """The sound as the native module takes it."""
    if isinstance(sound, str):
        return sound
    if isinstance(sound, os.PathLike):
        return os.fsdecode(os.fspath(sound))
    if isinstance(sound, (bytes, bytearray, memoryview)):
        return bytes(sound)
    if hasattr(sound, "get_all_samples"):  # torchcodec's AudioDecoder, which `datasets` 4 returns
        decoded = sound.get_all_samples()
        return mono(decoded.data), int(decoded.sample_rate)
    if isinstance(sound, Mapping):
        return _from_mapping(sound)
    return _mono_only(sound), None


def _from_mapping(sound: Mapping[str, Any]) -> str | bytes | tuple[Samples, int | None]:
    samples = sound.get("raw")
    if samples is None:
        samples = sound.get("array")
    if samples is not None:
        if sound.get("sampling_rate") is None:
            raise ValueError(f'this one has no "sampling_rate": {_KEYS}')
        return _mono_only(samples), int(sound["sampling_rate"])
    if sound.get("bytes") is not None:
        return bytes(sound["bytes"])
    if sound.get("path") is not None:
        return os.fsdecode(os.fspath(sound["path"]))
    raise ValueError(f"this one has the keys {sorted(map(str, sound))}: {_KEYS}")


def _mono_only(samples: Any) -> Samples:
    array = _array(samples)
    if array.ndim != 1:
        raise ValueError(
            f"an array of one channel is needed, and this one has the shape {array.shape}: choose a channel, or take the mean"
        )
    return array


def mono(samples: Any) -> Samples:
    """The mean of the channels of `[channels, samples]`."""
    import numpy as np

    array = _array(samples)
    return array if array.ndim == 1 else np.ascontiguousarray(array.mean(axis=0, dtype=np.float32))


def _array(samples: Any) -> Samples:
    import numpy as np

    if hasattr(samples, "detach"):  # a tensor of torch, perhaps on another device
        samples = samples.detach().cpu().numpy()
    try:
        array = np.asarray(samples)
    except ValueError as error:
        raise TypeError(f"a sound is a path, bytes, an array or a dict, not {type(samples).__name__}") from error
    if array.dtype.kind not in "fiu":
        raise TypeError(f"a sound is a path, bytes, an array or a dict, not {type(samples).__name__}")
    return np.ascontiguousarray(array, dtype=np.float32)


def load_audio(
    sound: Sound,
    sampling_rate: int | None = None,
    *,
    downmix: str = "mean",
    resampler: str = "hq",
) -> tuple[Samples, int]:
    """The samples of a sound, mono float32, and their rate in Hz.

    Args:
        sound: A path or address, the bytes of a sound file, or samples with their rate.
        sampling_rate: The rate to resample to; the sound's own if not given.
        downmix: How channels become one: `mean`, `sqrt2` (0.7071 times their sum, as ffmpeg does for transformers), `left` or
            `right`.
        resampler: `hq` (high quality) or `torchaudio` (the same numbers as `torchaudio.functional.resample`).

    Raises:
        FileNotFoundError: There is no such file.
        OSError: It cannot be read or downloaded.
        ValueError: It cannot be decoded.
    """
    return _earmark.load_audio(native(sound), sampling_rate, downmix=downmix, resampler=resampler)
