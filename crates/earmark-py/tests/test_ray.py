"""The batches that Ray makes, without Ray."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import earmark
from earmark.ray import Classify

from conftest import RATE


def objects(*values: object) -> np.ndarray:
    column = np.empty(len(values), object)
    column[:] = values
    return column


def test_a_row_for_every_row(model: str, samples: np.ndarray, file: str) -> None:
    classify = Classify(model, top_k=2)
    want = earmark.Classifier(model, compat=None).classify(file, top_k=2)
    stereo = np.stack([samples, samples])
    decoded = {
        "amplitude": objects(stereo, stereo[:, :5], stereo),
        "sample_rate": np.array([RATE, RATE, RATE]),
        "path": objects("a", "b", "c"),
    }
    out = classify(decoded)
    assert sorted(out) == ["error", "labels", "path", "sample_rate", "scores"]
    assert list(out["path"]) == ["a", "b", "c"]
    for row in (0, 2):
        assert out["labels"][row] == [it["label"] for it in want]
        np.testing.assert_allclose(out["scores"][row], [it["score"] for it in want], atol=1e-6)
        assert out["error"][row] is None
    assert out["labels"][1] == [] and "too short" in out["error"][1]

    raw = Path(file).read_bytes()
    for batch in [
        {"bytes": objects(raw, b"nothing")},
        {"path": objects(file, "gone.wav")},
        {"audio": objects({"bytes": raw, "path": None}, {"bytes": None, "path": "gone.wav"})},
    ]:
        out = classify(batch)
        assert out["labels"][0] == [it["label"] for it in want], batch
        assert out["error"][0] is None and out["error"][1]
    assert "bytes" in Classify(model, keep_sounds=True)({"bytes": objects(raw)})


def test_columns_without_a_sound(model: str) -> None:
    with pytest.raises(ValueError, match="picture"):
        Classify(model)({"picture": objects(1)})
    with pytest.raises(ValueError, match="sample_rate"):
        Classify(model)({"amplitude": objects(1)})
