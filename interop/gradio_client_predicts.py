"""Does a program written for a Gradio page get the same from `earmark serve`?

A real `gradio.Interface` around the reference pipeline and `earmark serve` are asked the same questions by the same code: through
`gradio_client`, as a shell asks, and message by message. Labels and confidences are those of the pipeline itself.
"""

import contextlib
import http.client
import json
import os
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import common
import serving

# Before the import, which would ask the network for a newer version.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio  # noqa: E402
import soundfile  # noqa: E402
import transformers  # noqa: E402
from gradio_client import Client, handle_file  # noqa: E402
from gradio_client.exceptions import AppError  # noqa: E402

CANDIDATES = "a dog,rain,a car engine"
PATIENCE = 60
TOLERANCE = 1e-4


class Reference:
    """The pipeline, and the page around it."""

    def __init__(self, model: Path, labels: str | None):
        task = "zero-shot-audio-classification" if labels else "audio-classification"
        self.pipeline = transformers.pipeline(task, model=str(model), device="cpu")
        self.labels = labels

    def classify(self, path: str, labels: str | None = None) -> dict[str, float]:
        # Not by path: for that the pipeline starts ffmpeg, and it says nothing about the protocol.
        samples, rate = soundfile.read(path, dtype="float32")
        assert rate == serving.RATE, rate
        if labels:
            rows = self.pipeline(samples, candidate_labels=labels.split(","), hypothesis_template="This is a sound of {}.")
        else:
            rows = self.pipeline({"raw": samples, "sampling_rate": rate})
        return {row["label"]: row["score"] for row in rows}

    @contextlib.contextmanager
    def page(self):
        inputs = [gradio.Audio(type="filepath", label="sound")]
        if self.labels:
            inputs.append(gradio.Textbox(label="candidate labels", value=self.labels))
            function = lambda sound, labels: self.classify(sound, labels)  # noqa: E731
        else:
            function = lambda sound: self.classify(sound)  # noqa: E731
        page = gradio.Interface(function, inputs, gradio.Label(label="labels"), api_name="predict")
        _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, show_error=True)
        try:
            yield address.rstrip("/")
        finally:
            page.close()


def by_client(address: str, clips: list[Path], extra: list[str]) -> dict:
    """What `gradio_client` gives."""
    client = Client(address, verbose=False, analytics_enabled=False)
    ask = lambda clip: client.submit(handle_file(clip), *extra, api_name="/predict")  # noqa: E731
    answers = {"predict": [client.predict(handle_file(clip), *extra, api_name="/predict") for clip in clips]}
    job = ask(clips[0])
    answers["iterated"] = [*job, job.result(PATIENCE)][-1:]
    answers["status"] = str(job.status().code)
    jobs = [ask(clip) for clip in clips * 4]
    answers["concurrent"] = [job.result(PATIENCE) for job in jobs]
    # Whether it is answered first is a race; that it ends, and the client goes on, is not.
    job = ask(clips[0])
    job.cancel()
    with contextlib.suppress(BaseException):
        job.result(PATIENCE)
    answers["after cancel"] = [client.predict(handle_file(clips[0]), *extra, api_name="/predict")]
    for name, call in {
        "no such function": lambda: client.predict(handle_file(clips[0]), *extra, api_name="/nothing"),
        "not a sound": lambda: client.predict(handle_file(__file__), *extra, api_name="/predict"),
        "nothing": lambda: client.predict(None, *extra, api_name="/predict"),
        "not uploaded": lambda: client.predict({"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, *extra, api_name="/predict"),
    }.items():
        try:
            answers[name] = f"no error: {call()}"
        except Exception as error:
            answers[name] = type(error).__name__
            assert not isinstance(error, AppError) or str(error), name
    info = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/predict"]
    for side in ["parameters", "returns"]:
        keys = ["label", "parameter_name", "parameter_has_default", "parameter_default", "component"]
        answers[side] = [{key: part.get(key) for key in keys if side == "parameters" or key in ["label", "component"]} for part in info[side]]
        answers[f"{side} in Python"] = [part["python_type"]["type"] for part in info[side]]
    client.close()
    return answers


def request(url: str, body: object = None, headers: dict = {}) -> tuple[int, str]:
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    kind = {} if isinstance(body, bytes | None) else {"Content-Type": "application/json"}
    try:
        question = urllib.request.Request(url, data, {**kind, **headers})
        with urllib.request.urlopen(question, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except http.client.IncompleteRead as cut:
        # Gradio's stream for a session that does not exist.
        return 200, cut.partial.decode()


def upload(address: str, path: Path) -> dict:
    head = b'--EDGE\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n' % path.name.encode()
    body = head + path.read_bytes() + b"\r\n--EDGE--\r\n"
    status, text = request(f"{address}/gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=EDGE"})
    assert status == 200, text
    return {"path": json.loads(text)[0], "meta": {"_type": "gradio.FileData"}}


def shape(value: object) -> object:
    """The keys of an object and of those in it, in whatever order, and which message it is."""
    if isinstance(value, dict):
        return {key: inner if key == "msg" else shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    # Times and names of calls differ; that they are there does not.
    return type(value).__name__ if isinstance(value, float | str) else value


def by_shell(address: str, clip: Path, extra: list[str]) -> dict:
    """What a shell gets: a POST, and a GET of the events."""
    answers = {}
    call = lambda name, body: request(f"{address}/gradio_api/call/{name}", body)  # noqa: E731
    named = {"sound": upload(address, clip), **dict(zip(["labels"], extra))}
    for version, body in {"": {"data": [upload(address, clip), *extra]}, "v2/": named}.items():
        status, text = call(f"{version}predict", body)
        assert status == 200, text
        event = json.loads(text)["event_id"]
        status, stream = request(f"{address}/gradio_api/call/{version}predict/{event}")
        kind, data = stream.strip().split("\n")
        answers[f"{version}predict"] = json.loads(data.removeprefix("data: "))
        answers[f"{version}kind"] = (status, kind)
    status, text = call("predict", {"data": [upload(address, Path(__file__)), *extra]})
    status, stream = request(f"{address}/gradio_api/call/predict/{json.loads(text)['event_id']}")
    kind, data = stream.strip().split("\n")
    answers["error"] = (status, kind, shape(json.loads(data.removeprefix("data: "))))
    answers["no such function"] = call("nothing", {"data": []})[0] >= 400
    status, text = request(f"{address}/gradio_api/run/predict", {"data": [upload(address, clip), *extra]})
    answers["run"] = (status, json.loads(text)["data"])
    status, text = request(f"{address}/gradio_api/run/predict", {"data": [upload(address, Path(__file__)), *extra]})
    answers["run error"] = (status >= 400, type(json.loads(text)["error"]).__name__)
    return answers


def messages(address: str, session: str, inputs: list[list]) -> list:
    """The messages of a session's calls, which are started before the stream is opened, with the calls by their numbers."""
    events = {}
    for data in inputs:
        join = {"data": data, "fn_index": 0, "session_hash": session}
        status, text = request(f"{address}/gradio_api/queue/join", join)
        assert status == 200, text
        events[json.loads(text)["event_id"]] = len(events)
    status, stream = request(f"{address}/gradio_api/queue/data?session_hash={session}")
    found = [json.loads(line.removeprefix("data: ")) for line in stream.splitlines() if line]
    return [(events.get(message.pop("event_id")), message) for message in found]


def by_message(address: str, clip: Path, extra: list[str]) -> dict:
    good, bad = (lambda: [upload(address, clip), *extra]), (lambda: [upload(address, Path(__file__)), *extra])
    answers = {}
    for name, inputs in {"one": [good()], "error": [bad()], "null": [[None, *extra]], "nobody": []}.items():
        answers[name] = [shape(message) for _, message in messages(address, name, inputs)]
    # Of several at a time the order may differ, except that of each.
    several = messages(address, "several", [good(), bad(), good()])
    kinds = [[message["msg"] for number, message in several if number == event and message["msg"] != "estimation"] for event in range(3)]
    answers["several"] = (kinds, several[-1][1]["msg"])
    return answers


def config(address: str) -> dict:
    """What clients read of /config."""
    config = json.loads(request(f"{address}/config")[1])
    function = next(it for it in config["dependencies"] if it["api_name"] == "predict")
    by_id = {component["id"]: component for component in config["components"]}
    keys = ["api_prefix", "protocol", "connect_heartbeat", "enable_queue", "mode", "space_id", "max_file_size", "show_error"]
    function_keys = ["backend_fn", "queue", "batch", "cancels", "types", "api_visibility", "connection", "js", "collects_event_data", "rendered_in"]
    component = lambda id: (by_id[id]["type"], by_id[id]["skip_api"], sorted(by_id[id]["api_info"]["properties"]) if "properties" in by_id[id]["api_info"] else by_id[id]["api_info"]["type"])  # noqa: E731
    found = {key: config.get(key, "missing") for key in keys} | {key: function.get(key, "missing") for key in function_keys}
    found["major version"] = config["version"].split(".")[0]
    # Ours is a limit; a Gradio page has none unless it is given one.
    found["max_file_size"] = found["max_file_size"] != "missing"
    return found | {side: [component(id) for id in function[side]] for side in ["inputs", "outputs"]}


def labels_of(answer: dict) -> dict:
    """The labels with their confidences, in order."""
    confidences = {it["label"]: it["confidence"] for it in answer["confidences"]}
    assert answer["label"] == next(iter(confidences)), answer
    assert [*confidences.values()] == sorted(confidences.values(), reverse=True), answer
    return confidences


def differences(ours: dict, theirs: dict) -> list[float]:
    assert [*ours] == [*theirs], f"labels are {[*ours]}, and {[*theirs]}"
    return [abs(ours[label] - theirs[label]) for label in ours]


def compare(binary: str, model: Path, labels: str | None, clips: list[Path]) -> list[float]:
    reference = Reference(model, labels)
    extra = [labels] if labels else []
    answers = []
    with serving.served(binary, model, *(["--labels", labels] if labels else [])) as ours, reference.page() as theirs:
        for address in [ours, theirs]:
            shell = by_shell(address, clips[0], extra)
            answers.append((by_client(address, clips, extra), shell, by_message(address, clips[0], extra), config(address)))
    expected = [dict(sorted(reference.classify(str(clip), labels).items(), key=lambda it: -it[1])) for clip in clips]
    worst, wrong = [], []
    for ours, theirs in zip(*answers):
        for name in ours:
            a, b = ours[name], theirs[name]
            clip = lambda number: expected[number % len(clips)]  # noqa: E731
            if name in ["predict", "v2/predict", "iterated", "concurrent", "after cancel"]:
                for number, pair in enumerate(zip(a, b, strict=True)):
                    for side in pair:
                        worst += differences(labels_of(side), clip(number))
            elif name == "run":
                for status, data in [a, b]:
                    assert status == 200, data
                    worst += differences(labels_of(data[0]), clip(0))
            elif a != b:
                wrong.append(f"{name}:\n  earmark  {a}\n  Gradio   {b}")
    if wrong:
        sys.exit("\n".join(["FAILED  differences that a client sees:", *wrong]))
    return worst


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--seed", type=int, default=18, help="of the clips")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        clips = serving.clips(Path(work), args.seed, 3, 0.5)
        worst = compare(args.earmark, serving.classifier(), None, clips)
        worst += compare(args.earmark, serving.zero_shot(Path(work) / "clap"), CANDIDATES, clips)
    common.verdict(f"{len(worst)} confidences through Gradio's protocol", common.worst_of(worst), TOLERANCE)


if __name__ == "__main__":
    main()
