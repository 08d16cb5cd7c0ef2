"""Classifiers and embedders, threads and processes."""

from __future__ import annotations

import logging
import multiprocessing
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import earmark

from conftest import RATE


def test_an_error_of_its_own_for_each_sound(model: str, samples: np.ndarray, file: str) -> None:
    classifier = earmark.Classifier(model)
    sounds = [file, "gone.wav", None, samples]
    first, gone, none, last = classifier.classify_batch(sounds, errors="return")
    assert first[0]["label"] == last[0]["label"]
    assert isinstance(gone, FileNotFoundError) and "gone.wav" in str(gone)
    assert isinstance(none, TypeError)
    with pytest.raises(FileNotFoundError):
        classifier.classify_batch(sounds)
    with pytest.raises(ValueError, match="errors"):
        classifier.classify_batch(sounds, errors="ignore")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="list of sounds"):
        classifier.classify_batch(file)
    assert repr(classifier) == f"Classifier({model!r})"
    assert classifier.sampling_rate == RATE and len(classifier.labels) == 3


def test_windows(model: str, tmp_path: Path, samples: np.ndarray, file: str) -> None:
    classifier = earmark.Classifier(model)
    windows = list(classifier.windows(file, 0.25, 0.125, top_k=1))
    assert [it["start"] for it in windows] == [0.125 * place for place in range(7)]
    assert windows[-1]["end"] == 1.0
    alone = classifier.classify(samples[2000:6000], top_k=1)
    assert windows[1]["predictions"][0]["label"] == alone[0]["label"]
    assert abs(windows[1]["predictions"][0]["score"] - alone[0]["score"]) < 1e-6
    with pytest.raises(ValueError, match="length"):
        list(classifier.windows(file, -1.0))
    with pytest.raises(FileNotFoundError):
        list(classifier.windows("gone.wav", 1.0))


def test_embeddings(model: str, clap: str, samples: np.ndarray, file: str) -> None:
    embedder = earmark.Embedder(model)
    vector = embedder.embed(file)
    assert vector.dtype == np.float32 and vector.ndim == 1
    np.testing.assert_allclose(embedder.embed_batch([samples])[0], vector, atol=1e-6)
    with pytest.raises(ValueError, match="CLAP"):
        embedder.embed_texts(["a dog"])
    layers = embedder.embed(file, layer="all")
    assert layers.ndim == 2 and layers.shape[1] == len(vector)
    np.testing.assert_array_equal(embedder.embed(file, layer=1), layers[1])
    frames, starts = embedder.frames(file)
    assert frames.shape == (len(starts), len(vector))
    np.testing.assert_allclose(frames.mean(0), vector, atol=1e-6)
    np.testing.assert_array_equal(frames.max(0), embedder.embed(file, pool="max"))
    assert starts[0] == 0 and np.all(np.diff(starts) > 0) and starts[-1] < 1
    every = embedder.embed(file, layer="all", pool="none")
    np.testing.assert_array_equal(every[-1].shape, frames.shape)
    for wrong, message in [
        ({"layer": 99}, "99"),
        ({"layer": "best"}, "best"),
        ({"pool": "cls"}, "class token"),
        ({"pool": "median"}, "median"),
    ]:
        with pytest.raises(ValueError, match=message):
            embedder.embed(file, **wrong)
    texts = earmark.Embedder(clap).embed_texts(["a dog", "rain"])
    np.testing.assert_allclose([np.linalg.norm(it) for it in texts], 1, atol=1e-5)


def test_features(model: str, samples: np.ndarray) -> None:
    extract = earmark.FeatureExtractor(model)
    arrays = extract(samples, sampling_rate=RATE)
    assert sorted(arrays) == ["attention_mask", "input_values"]
    assert arrays["input_values"].shape == arrays["attention_mask"].shape == (1, RATE)
    assert abs(float(arrays["input_values"].mean())) < 1e-4
    assert abs(float(arrays["input_values"].std()) - 1) < 1e-3
    with pytest.raises(ValueError, match="8000"):
        extract(samples, sampling_rate=8_000)


def test_load_audio(file: str, samples: np.ndarray) -> None:
    loaded, rate = earmark.load_audio(file)
    assert rate == RATE and loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, samples)
    half, rate = earmark.load_audio(file, 8_000)
    assert rate == 8_000 and len(half) == len(samples) // 2
    with pytest.raises(FileNotFoundError):
        earmark.load_audio("gone.wav")
    with pytest.raises(ValueError, match="mean"):
        earmark.load_audio(file, downmix="average")


def test_threads_share_a_classifier(model: str, samples: np.ndarray, file: str) -> None:
    classifier = earmark.Classifier(model)
    want = classifier.classify(samples)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda place: classifier.classify(file if place % 2 else samples), range(64)))
    assert all(answer == want for answer in answers)


def _in_a_worker(classifier: earmark.Classifier, sound: str, answers: Any) -> None:
    answers.put(classifier.classify(sound))


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_worker_that_was_forked_classifies(model: str, file: str) -> None:
    classifier = earmark.Classifier(model)
    want = classifier.classify(file)  # The threads of this process have been started.
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    workers = [context.Process(target=_in_a_worker, args=(classifier, file, answers)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for _ in workers:
        assert answers.get(timeout=60) == want
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert classifier.classify(file) == want


def test_a_classifier_can_be_pickled(model: str, file: str) -> None:
    classifier = earmark.Classifier(model)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(classifier.classify, (file,)) == classifier.classify(file)


def test_warnings_are_logged(model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(model, tmp_path, dirs_exist_ok=True)
    (tmp_path / "preprocessor_config.json").unlink()
    with caplog.at_level(logging.WARNING, logger="earmark"):
        earmark.Classifier(tmp_path)
    assert "defaults of transformers" in caplog.text


def test_import_brings_nothing_heavy() -> None:
    code = "import sys, earmark; print(sorted({'numpy', 'torch', 'transformers'} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
