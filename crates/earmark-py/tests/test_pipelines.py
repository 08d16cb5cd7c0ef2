"""What may go into a pipeline, and what comes out."""

from __future__ import annotations

import array
import http.server
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import earmark

from conftest import GOLDEN, RATE


@pytest.fixture(scope="module")
def classify(model: str) -> earmark.AudioClassificationPipeline:
    return earmark.pipeline("audio-classification", model=model)


def same(got: list[dict[str, Any]], want: list[dict[str, Any]]) -> None:
    assert [it["label"] for it in got] == [it["label"] for it in want]
    np.testing.assert_allclose([it["score"] for it in got], [it["score"] for it in want], atol=1e-6)


def test_the_numbers_of_the_reference(classify: Any) -> None:
    golden = load_file(GOLDEN / "speech" / "wav2vec2.safetensors")
    for clip in range(2):
        length = int(golden["attention_mask"][clip].sum())
        answer = classify(golden["input_values"][clip, :length], function_to_apply="none")
        by_label = {it["label"]: it["score"] for it in answer}
        got = [by_label[label] for label in classify.model.labels]
        np.testing.assert_allclose(got, golden[f"alone.{clip}.logits"][0], atol=2e-5)


def test_shape_of_an_answer(classify: Any, samples: np.ndarray) -> None:
    answer = classify(samples)
    assert [list(it) for it in answer] == [["score", "label"]] * 3, "without top_k every label, as transformers 5.23"
    assert all(type(it["score"]) is float and type(it["label"]) is str for it in answer)
    assert sorted((it["score"] for it in answer), reverse=True) == [it["score"] for it in answer]
    assert abs(sum(it["score"] for it in answer) - 1) < 1e-6
    assert len(classify(samples, top_k=2)) == 2
    assert len(classify(samples, top_k=99)) == len(classify(samples, top_k=None)) == 3
    sigmoid = classify(samples, function_to_apply="sigmoid")
    logits = {it["label"]: it["score"] for it in classify(samples, function_to_apply="none")}
    for it in sigmoid:
        assert abs(it["score"] - 1 / (1 + np.exp(-logits[it["label"]]))) < 1e-6


def test_every_form_of_a_sound(classify: Any, samples: np.ndarray, file: str, tmp_path: Path) -> None:
    want = classify(samples)
    raw = Path(file).read_bytes()
    forms: dict[str, Any] = {
        "path": file,
        "pathlib": Path(file),
        "bytes": raw,
        "bytearray": bytearray(raw),
        "memoryview": memoryview(raw),
        "float64": samples.astype(np.float64),
        "strided": np.stack([samples, samples], axis=1)[:, 0],
        "dict raw": {"raw": samples, "sampling_rate": RATE},
        "dict array": {"array": samples, "sampling_rate": RATE, "path": None},
        "row of datasets": {"bytes": raw, "path": "gone.wav"},
        "row of datasets with a path": {"bytes": None, "path": file},
        "array of floats": array.array("f", samples),
        "decoder of torchcodec": Decoder(samples),
    }
    for form, sound in forms.items():
        same(classify(sound), want), form
    other = {"raw": samples, "sampling_rate": 8_000}
    assert classify(other) != want
    assert list(other) == ["raw", "sampling_rate"], "it is left as it was"


class Decoder:
    """What torchcodec's AudioDecoder has."""

    def __init__(self, samples: np.ndarray) -> None:
        self.data, self.sample_rate = np.stack([samples, samples]), RATE

    def get_all_samples(self) -> Decoder:
        return self


def test_lists_generators_and_datasets(classify: Any, samples: np.ndarray, file: str) -> None:
    want = classify(samples)
    answers = classify([samples, file])
    assert isinstance(answers, list)
    for answer in answers:
        same(answer, want)
    assert classify([]) == []

    seen = []

    def generator() -> Any:
        for place in range(5):
            seen.append(place)
            yield samples

    answers = classify(generator(), batch_size=2)
    same(next(answers), want)
    assert len(seen) == 2, "it reads one batch ahead and no more"
    assert len(list(answers)) == 4

    class Dataset:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, place: int) -> Any:
            return {"raw": samples, "sampling_rate": RATE}

    answers = list(classify(Dataset(), top_k=1))
    assert [len(it) for it in answers] == [1, 1, 1]


def test_a_sound_at_an_address(classify: Any, file: str, samples: np.ndarray) -> None:
    raw = Path(file).read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/tone.wav" else 404)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        same(classify(f"{address}/tone.wav"), classify(samples))
        with pytest.raises(OSError, match="404"):
            classify(f"{address}/gone.wav")
        server.shutdown()


@pytest.mark.parametrize(
    ("sound", "kind", "words"),
    [
        ("gone.wav", FileNotFoundError, "gone.wav"),
        (b"no sound at all", ValueError, "sound"),
        (np.zeros((2, 16_000), np.float32), ValueError, r"one channel.*\(2, 16000\)"),
        ({"raw": np.zeros(16_000, np.float32)}, ValueError, "sampling_rate"),
        ({"sound": 1}, ValueError, "'sound'"),
        ({"raw": np.zeros(16_000, np.float32), "sampling_rate": 0}, ValueError, "0 Hz"),
        (np.full(16_000, np.nan, np.float32), ValueError, "NaN"),
        (np.zeros(3, np.float32), ValueError, "too short"),
        (np.zeros(0, np.float32), ValueError, "sample"),
        (None, TypeError, "NoneType"),
        (object(), TypeError, "object"),
        (("a.wav", 1), TypeError, "tuple"),
    ],
)
def test_what_is_no_sound(classify: Any, sound: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        classify(sound)
    with pytest.raises(kind, match=words):
        classify([np.zeros(16_000, np.float32), sound])


def test_wrong_arguments(model: str, clap: str, classify: Any, samples: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="softmax"):
        classify(samples, function_to_apply="sofmax")
    with pytest.raises(ValueError, match="top_k"):
        classify(samples, top_k=0)
    with pytest.raises(ValueError, match="zero-shot-audio-classification"):
        earmark.pipeline("text-classification", model=model)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="cuda"):
        earmark.pipeline("audio-classification", model=model, device="cuda:0")
    with pytest.raises(ValueError, match="CLAP|clap"):
        earmark.pipeline("zero-shot-audio-classification", model=model)
    with pytest.raises(ValueError, match="clap"):
        earmark.pipeline("audio-classification", model=clap)
    with pytest.raises((OSError, ValueError), match=r"config\.json"):
        earmark.pipeline("audio-classification", model=tmp_path)
    with pytest.raises(OSError, match="nobody/nothing"):
        earmark.pipeline("audio-classification", model="nobody/nothing", offline=True, cache_dir=tmp_path)


def test_top_k_of_the_pipeline_is_kept(model: str, samples: np.ndarray) -> None:
    classify = earmark.pipeline("audio-classification", model=model, top_k=1)
    assert len(classify(samples)) == 1
    assert len(classify(samples, top_k=None)) == 3
    assert repr(classify) == f"pipeline('audio-classification', model={model!r})"


def test_zero_shot(clap: str, samples: np.ndarray, file: str) -> None:
    classify = earmark.pipeline("zero-shot-audio-classification", model=clap)
    labels = ["dog", "vacuum cleaner", "rain"]
    answer = classify(file, candidate_labels=labels)
    assert sorted(it["label"] for it in answer) == sorted(labels)
    assert abs(sum(it["score"] for it in answer) - 1) < 1e-6
    sound = {"raw": samples, "sampling_rate": RATE}
    same(classify([sound], candidate_labels=labels)[0], answer)
    plain = classify(sound, candidate_labels=[f"This is a sound of {it}." for it in labels], hypothesis_template="{}")
    np.testing.assert_allclose([it["score"] for it in plain], [it["score"] for it in answer], atol=1e-6)
    with pytest.raises(TypeError, match="dog"):
        classify(sound, candidate_labels="dog")
    with pytest.raises(ValueError, match="template"):
        classify(sound, candidate_labels=labels, hypothesis_template="a sound")
