#!/usr/bin/env python3
"""One turn of a peer, in a process of its own: `peers.py` starts it and reads the one line of JSON that it prints.

Only functions import libraries, so that a turn of ONNX Runtime holds no PyTorch in its memory, nor the reverse.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import checkpoints

# The largest difference of a logit at which an exported model still counts as the same one.
TOLERANCE = 1e-3
# Windows that `earmark classify --window` asks about at once (earmark-cli/src/batch/prepare.rs).
TOGETHER = 16


def clock(work: Callable[[], Any], repeat: int) -> list[float]:
    """Seconds of each repetition, after one that pays for pages and plans."""
    work()
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return times


def noise(folder: Path, seconds: float, batch: int) -> Any:
    """The model's main input for `batch` clips of noise."""
    import numpy as np

    random, samples = np.random.default_rng(0), round(seconds * checkpoints.rate(folder))
    clips = [random.uniform(-0.5, 0.5, samples).astype(np.float32) for _ in range(batch)]
    return checkpoints.features(folder, clips)


def make(args: argparse.Namespace) -> dict[str, Any]:
    checkpoints.make(args.model.name, args.model)
    return {}


def versions(_: argparse.Namespace) -> dict[str, Any]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "onnxruntime", "onnx", "onnxscript", "numpy")}


def export(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the model for one shape of input, with an input, and holds its answer against PyTorch's."""
    import numpy as np
    import torch

    model, inputs = checkpoints.load(args.model), noise(args.model, args.seconds, args.batch)

    class Answer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return checkpoints.answer(self.model, features)

    with torch.inference_mode():
        want = checkpoints.answer(model, inputs).numpy()
    args.onnx.mkdir(parents=True, exist_ok=True)
    np.save(args.onnx / "input.npy", inputs.numpy())
    program = torch.onnx.export(Answer().eval(), (inputs,), args.onnx / "model.onnx", dynamo=True, verbose=False)
    session = open_session(args.onnx / "model.onnx", args.threads)
    got = session.run(None, {session.get_inputs()[0].name: inputs.numpy()})[0]
    worst = float(np.abs(got - want).max())
    if not worst <= TOLERANCE:
        raise SystemExit(f"the exported model's logits are off by {worst:.1e}, more than {TOLERANCE:g}")
    return {"opset": program.model.opset_imports[""], "worst": worst, "largest": float(np.abs(want).max())}


def open_session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def onnx(args: argparse.Namespace) -> dict[str, Any]:
    """The forward pass in ONNX Runtime."""
    import numpy as np
    import onnxruntime  # noqa: F401 (its import is no part of loading a model)

    begin = time.perf_counter()
    session = open_session(args.onnx / "model.onnx", args.threads)
    load_s = time.perf_counter() - begin
    inputs = {session.get_inputs()[0].name: np.load(args.onnx / "input.npy")}
    return {"load_s": load_s, "forward_s": clock(lambda: session.run(None, inputs), args.repeat)}


def torch_forward(args: argparse.Namespace) -> dict[str, Any]:
    """The forward pass in transformers."""
    import torch
    from transformers import AutoFeatureExtractor

    torch.set_num_threads(args.threads)
    begin = time.perf_counter()
    model = checkpoints.load(args.model)
    AutoFeatureExtractor.from_pretrained(args.model)
    load_s = time.perf_counter() - begin
    inputs = noise(args.model, args.seconds, args.batch)
    with torch.inference_mode():
        return {"load_s": load_s, "forward_s": clock(lambda: checkpoints.answer(model, inputs), args.repeat)}


def matmul(args: argparse.Namespace) -> dict[str, Any]:
    """What this machine multiplies at best: a 2048³ product in ONNX Runtime (MLAS), in GFLOP/s."""
    import numpy as np
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    side = 2048
    weights = numpy_helper.from_array(np.random.default_rng(0).random((side, side), np.float32), "b")
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side]) for name in ("a", "c")]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "matmul", infos[:1], infos[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    left = np.random.default_rng(1).random((side, side), np.float32)
    times = clock(lambda: session.run(None, {"a": left}), 15)
    return {"gflops": 2 * side**3 / min(times) / 1e9}


def compare(args: argparse.Namespace) -> dict[str, Any]:
    """Both sides on one WAV file at the model's rate: the largest difference of a logit, and the largest logit."""
    import numpy as np
    import soundfile
    import torch

    rate, work = checkpoints.rate(args.model), args.clip.parent
    clip = np.random.default_rng(1).uniform(-0.5, 0.5, 4 * rate).astype(np.float32)
    soundfile.write(args.clip, clip, rate, subtype="FLOAT")
    model = checkpoints.load(args.model)
    with torch.inference_mode():
        want = checkpoints.answer(model, checkpoints.features(args.model, [clip]))[0].numpy()
    config = checkpoints.config(args.model)
    if config["model_type"] == "clap":
        vectors = work / "clip.npy"
        output([args.earmark, "embed", args.clip, "--model", args.model, "-o", vectors])
        got = np.load(vectors)[0]
    else:
        flags = ["--scores", "none", "--top-k", "all", "--format", "jsonl"]
        said = json.loads(output([args.earmark, "classify", args.clip, "--model", args.model, *flags]))
        scores = {prediction["label"]: prediction["score"] for prediction in said["predictions"]}
        got = np.array([scores[label] for _, label in sorted((int(i), label) for i, label in config["id2label"].items())])
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"worst": float(np.abs(got - want).max()), "largest": float(np.abs(want).max()), "parameters": parameters}


def output(command: list[Any]) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def clips(args: argparse.Namespace) -> dict[str, Any]:
    """Notes over noise as WAV files, `--count` of them in each of `--classes` folders, unless they are there."""
    import numpy as np
    import soundfile

    random = np.random.default_rng(7)
    for number in range(args.count):
        for label in range(args.classes):
            folder = args.folder / f"class{label}" if args.classes > 1 else args.folder
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{number:05}.wav"
            if not path.exists():
                part = path.with_suffix(".part")
                write_clip(part, random, args.rate, args.seconds, args.channels, soundfile)
                part.rename(path)
    return {}


def write_clip(path: Path, random: Any, rate: int, seconds: float, channels: int, soundfile: Any) -> None:
    import numpy as np

    with soundfile.SoundFile(path, "w", rate, channels, "PCM_16", format="WAV") as file:
        left = round(seconds * rate)
        while left:  # Ten seconds at a time: an hour need not lie in memory.
            samples = min(left, 10 * rate)
            t = np.arange(samples)[:, None] / rate
            note = np.sin(2 * np.pi * random.uniform(100, 1000, channels) * t)
            file.write(0.3 * note + random.uniform(-0.2, 0.2, (samples, channels)))
            left -= samples


def mono(path: Path) -> tuple[Any, int]:
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return samples.mean(axis=1), rate


def sounds(paths: list[Path], ffmpeg: bool) -> Iterator[Any]:
    """What `pipeline` is given: paths, which it decodes by ffmpeg, or samples that libsndfile decoded."""
    for path in paths:
        if ffmpeg:
            yield str(path)
        else:
            samples, rate = mono(path)
            yield {"raw": samples, "sampling_rate": rate}


def pipeline(args: argparse.Namespace) -> dict[str, Any]:
    """Labels of every file of a folder, in a process that is warm: seconds a clip."""
    import torch
    from transformers import pipeline

    torch.set_num_threads(args.threads)
    classify = pipeline("audio-classification", str(args.model), device="cpu")
    paths = sorted(args.folder.glob("*.wav"))
    for sound in sounds(paths[:2], args.ffmpeg):
        classify(sound)
    begin = time.perf_counter()
    labels = [best[0]["label"] for best in classify(sounds(paths, args.ffmpeg), batch_size=args.batch, top_k=1)]
    if len(labels) != len(paths):
        raise SystemExit(f"{len(labels)} answers for {len(paths)} files")
    return {"clip_s": (time.perf_counter() - begin) / len(paths)}


def cold(args: argparse.Namespace) -> dict[str, Any]:
    """A label for one file, as a script would ask for it."""
    from transformers import pipeline

    samples, rate = mono(args.clip)
    classify = pipeline("audio-classification", str(args.model), device="cpu")
    return {"label": classify({"raw": samples, "sampling_rate": rate}, top_k=1)[0]["label"]}


def windows(args: argparse.Namespace) -> dict[str, Any]:
    """A label for each window of a recording at the model's rate, read as it goes; as many at once as earmark takes."""
    import soundfile
    import torch

    torch.set_num_threads(args.threads)
    model, rate = checkpoints.load(args.model), checkpoints.rate(args.model)
    waiting, labels = [], 0
    with torch.inference_mode():
        for block in soundfile.blocks(args.clip, round(args.seconds * rate), dtype="float32"):
            if len(block) < rate * args.seconds and waiting:
                labels += ask(model, args.model, waiting)
                waiting = []
            waiting.append(block)
            if len(waiting) == TOGETHER:
                labels += ask(model, args.model, waiting)
                waiting = []
        labels += ask(model, args.model, waiting) if waiting else 0
    return {"labels": labels}


def ask(model: Any, folder: Path, clips: list[Any]) -> int:
    return len(checkpoints.answer(model, checkpoints.features(folder, clips)).argmax(-1).tolist())


def train(args: argparse.Namespace) -> dict[str, Any]:
    """Forward, backward, clipping and AdamW, with the model's dropout, as `Trainer` does them: seconds a step."""
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = checkpoints.load(args.model, num_labels=2, ignore_mismatched_sizes=True).train()
    inputs, labels = noise(args.model, args.seconds, args.batch), torch.arange(args.batch) % 2
    mask = torch.ones(inputs.shape, dtype=torch.long)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.0, fused=True)

    def step() -> None:
        loss = model(inputs, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()

    return {"step_s": clock(step, args.repeat)}


def steps(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds between the steps of one of our runs, by the clock in its TensorBoard events."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(args.folder / "tensorboard"))
    events.Reload()
    times = [event.wall_time for event in events.Scalars("train/loss")]
    return {"step_s": [after - before for before, after in zip(times, times[1:])]}


WHAT = {
    "make": make, "versions": versions, "export": export, "onnx": onnx, "torch": torch_forward, "matmul": matmul,
    "compare": compare, "clips": clips, "pipeline": pipeline, "cold": cold, "windows": windows, "train": train, "steps": steps,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=WHAT)
    for name in ("model", "onnx", "clip", "folder", "earmark"):
        parser.add_argument(f"--{name}", type=Path)
    for name, usual in [("batch", 1), ("threads", 2), ("repeat", 3), ("count", 1), ("classes", 1), ("channels", 1)]:
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=int, default=16_000)
    parser.add_argument("--ffmpeg", action="store_true")
    args = parser.parse_args()
    # Libraries print to stdout as they please; the last line is ours.
    print(json.dumps(WHAT[args.what](args)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
