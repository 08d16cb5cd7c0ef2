"""What is measured: each case is one row, and says for each side how to take one turn."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import checkpoints
import flops
import process

TURN = Path(__file__).parent / "turn.py"
# What a forward pass, and what a training step may hold.
FORWARD_MB, TRAIN_MB = 10_000.0, 16_000.0
# Files that `earmark classify` asks about at once (earmark-cli/src/batch/prepare.rs): the first so many pay for the loading.
TOGETHER = 16


@dataclass
class Measure:
    """One turn of one side."""

    # Of each repetition: a forward pass, a training step, a clip, a whole process.
    seconds: list[float]
    peak_mb: float
    # What others computed meanwhile, as a share of all cores.
    others: float
    load_s: float | None = None

    @staticmethod
    def of(done: process.Done, seconds: list[float], load_s: float | None = None) -> "Measure":
        return Measure(seconds, done.peak_mb, done.others, load_s)


@dataclass
class Case:
    """One row."""

    group: str
    label: str
    gflop: float
    # By name; `pytorch` is what the others are compared with.
    sides: dict[str, Callable[[], Measure]]
    # Made before the first turn, and not timed.
    prepare: Callable[[], None] = lambda: None
    rounds: int | None = None
    threads: int = 2
    # Taken when this one does not fit into memory.
    instead: "Case | None" = None
    models: list[str] = field(default_factory=list)
    # Said beside the label; a row measured with another one takes this one's place all the same.
    note: str = ""

    @property
    def name(self) -> str:
        return f"{self.group}: {self.label}"


class Bench:
    """Where things lie and how turns are started."""

    def __init__(self, work: Path, earmark: Path, threads: int, repeat: int) -> None:
        self.work, self.earmark, self.threads, self.repeat = work, earmark, threads, repeat
        self.torch_version = ""

    def environment(self, threads: int) -> dict[str, str]:
        """Nothing is fetched, the user's caches stay as they are, and libraries take no more threads than they are given."""
        told = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        told |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}
        told |= {"EARMARK_CACHE": str(self.work / "cache"), "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"}
        told |= {"PATH": f"{self.work / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
        return os.environ | told

    def turn(self, what: str, limit_mb: float = TRAIN_MB, **flags: Any) -> tuple[dict[str, Any], process.Done]:
        """A turn of a peer: what it said, and what it took."""
        threads = flags.setdefault("threads", self.threads)
        command = [sys.executable, TURN, what]
        for name, value in flags.items():
            command += [f"--{name}"] if value is True else [f"--{name}", value]
        done = process.run(command, self.environment(threads), limit_mb)
        return json.loads(done.lines[-1][1]), done

    def ours(self, *words: Any, threads: int | None = None, limit_mb: float = TRAIN_MB) -> process.Done:
        threads = threads or self.threads
        return process.run([self.earmark, *words, "--threads", threads], self.environment(threads), limit_mb)

    def model(self, name: str) -> Path:
        folder = self.work / "models" / name
        if not (folder / "model.safetensors").exists():
            self.turn("make", model=folder)
        return folder

    def config(self, name: str) -> dict[str, Any]:
        return checkpoints.config(self.model(name))

    def clips(self, count: int, classes: int, seconds: float, rate: int, channels: int) -> Path:
        """A folder of sound files, made once."""
        folder = self.work / "clips" / f"{count}x{classes}-{seconds:g}s-{rate}-{channels}"
        self.turn("clips", folder=folder, count=count, classes=classes, seconds=seconds, rate=rate, channels=channels)
        return folder

    def exported(self, name: str, seconds: float, batch: int) -> tuple[Path, dict[str, Any]]:
        """The model as ONNX for one shape of input, with how far its logits are from PyTorch's; exported once."""
        folder = self.work / f"onnx-torch-{self.torch_version}" / f"{name}-{seconds:g}s-x{batch}"
        said = folder / "export.json"
        if not said.exists():
            shape = dict(model=self.model(name), seconds=seconds, batch=batch)
            answer, _ = self.turn("export", onnx=folder, **shape)
            said.write_text(json.dumps(answer))
        return folder, json.loads(said.read_text())

    def ffmpeg(self) -> None:
        """Puts imageio-ffmpeg's program where `pipeline` looks for one."""
        import imageio_ffmpeg  # Small: it imports no NumPy until asked for frames.

        link = self.work / "bin/ffmpeg"
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(imageio_ffmpeg.get_ffmpeg_exe())


def length(seconds: float) -> str:
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / 60:g} min" if seconds > 60 else f"{seconds:g} s"


def forward(bench: Bench, name: str, seconds: float, batch: int, threads: int) -> Case:
    """A forward pass over noise."""
    repeat = bench.repeat if batch < 8 else max(1, bench.repeat // 3)
    shape = dict(seconds=seconds, batch=batch, threads=threads, repeat=repeat)

    def peer(what: str, **more: Any) -> Measure:
        said, done = bench.turn(what, FORWARD_MB, **shape, **more)
        return Measure.of(done, said["forward_s"], said["load_s"])

    def earmark() -> Measure:
        flags = [word for key, value in shape.items() if key != "threads" for word in (f"--{key}", value)]
        done = bench.ours("bench", "--model", bench.model(name), *flags, threads=threads, limit_mb=FORWARD_MB)
        said = json.loads(done.lines[-1][1])
        return Measure.of(done, said["forward_s"], said["load_s"])

    def onnx() -> Measure:
        return peer("onnx", onnx=bench.exported(name, seconds, batch)[0])

    label = f"{name} {length(seconds)}" + (f" x{batch}" if batch > 1 else "")
    label += "" if threads == bench.threads else f", {threads} thread" + ("s" if threads > 1 else "")
    sides = {"pytorch": lambda: peer("torch", model=bench.model(name)), "onnxruntime": onnx, "earmark": earmark}
    gflop = batch * flops.forward(bench.config(name), seconds) / 1e9
    return Case("forward", label, gflop, sides, threads=threads, models=[name])


def end_to_end(bench: Bench, files: int) -> Case:
    """Stereo files at 44.1 kHz in a process that is warm: seconds a clip."""
    model, folder = bench.model("distilhubert"), Path()

    def prepare() -> None:
        nonlocal folder
        folder = bench.clips(files, 1, 5.0, 44_100, 2)
        bench.ffmpeg()

    def pipeline(**how: Any) -> Measure:
        said, done = bench.turn("pipeline", model=model, folder=folder, **how)
        return Measure.of(done, [said["clip_s"]])

    def earmark() -> Measure:
        done = bench.ours("classify", folder, "--model", model, "--format", "jsonl", "--top-k", 1)
        if len(done.lines) != files:
            raise process.Failed(f"{len(done.lines)} rows for {files} files")
        warm, last = done.lines[TOGETHER - 1][0], done.lines[-1][0]
        return Measure.of(done, [(last - warm) / (files - TOGETHER)])

    sides = {
        "pytorch": lambda: pipeline(ffmpeg=True),
        "pipeline, libsndfile": pipeline,
        "the same, 8 at once": lambda: pipeline(batch=8),
        "earmark": earmark,
    }
    gflop = flops.forward(bench.config("distilhubert"), 5.0) / 1e9
    note = f"{files} files"
    return Case("end to end", "distilhubert 5 s", gflop, sides, prepare, threads=bench.threads, note=note)


def cold_start(bench: Bench, name: str) -> Case:
    """From process start to a label for a clip of 2 s."""
    model, clip = bench.model(name), Path()

    def prepare() -> None:
        nonlocal clip
        clip = bench.clips(1, 1, 2.0, 16_000, 1) / "00000.wav"

    def pipeline() -> Measure:
        _, done = bench.turn("cold", model=model, clip=clip)
        return Measure.of(done, [done.seconds])

    def earmark() -> Measure:
        done = bench.ours("classify", clip, "--model", model, "--top-k", 1)
        return Measure.of(done, [done.seconds])

    gflop = flops.forward(bench.config(name), 2.0) / 1e9
    return Case("cold start", name, gflop, {"pytorch": pipeline, "earmark": earmark}, prepare, threads=bench.threads)


def train(bench: Bench, batch: int, seconds: float, repeat: int) -> Case:
    """Forward, backward, clipping, AdamW; of ours the time between the steps of a run of `earmark train`."""
    model, data = bench.model("distilhubert"), Path()

    def prepare() -> None:
        nonlocal data
        # One step to warm up, and two clips for the evaluation that ends the epoch.
        data = bench.clips((batch * (repeat + 1) + 2) // 2, 2, seconds, 16_000, 1)

    def pytorch() -> Measure:
        said, done = bench.turn("train", model=model, batch=batch, seconds=seconds, repeat=repeat)
        return Measure.of(done, said["step_s"])

    def earmark() -> Measure:
        run = Path(tempfile.mkdtemp(dir=bench.work)) / "run"
        try:
            words = ["--data", data, "--model", model, "--new-head", "--output", run, "--batch-size", batch]
            words += ["--epochs", 1, "--test-size", 2, "--eval-batch-size", 1, "--logging-steps", 1]
            done = bench.ours("train", "--quiet", *words)
            said, _ = bench.turn("steps", folder=run)
        finally:
            shutil.rmtree(run.parent)
        return Measure.of(done, said["step_s"])

    gflop = batch * flops.train(bench.config("distilhubert"), seconds) / 1e9
    sides = {"pytorch": pytorch, "earmark": earmark}
    return Case("train", f"distilhubert {batch} x {length(seconds)}", gflop, sides, prepare, threads=bench.threads)


def recording(bench: Bench, seconds: float) -> Case:
    """A recording in windows of 5 s, from process start to the last label."""
    model, clip, window = bench.model("distilhubert"), Path(), 5.0

    def prepare() -> None:
        nonlocal clip
        clip = bench.clips(1, 1, seconds, 16_000, 1) / "00000.wav"

    def pytorch() -> Measure:
        _, done = bench.turn("windows", model=model, clip=clip, seconds=window)
        return Measure.of(done, [done.seconds])

    def earmark() -> Measure:
        words = ["--model", model, "--window", f"{window:g}s", "--format", "jsonl", "--top-k", 1]
        done = bench.ours("classify", clip, *words)
        return Measure.of(done, [done.seconds])

    whole, config = int(seconds // window), bench.config("distilhubert")
    gflop = (whole * flops.forward(config, window) if whole else flops.forward(config, seconds)) / 1e9
    once = 1 if seconds >= 3600 else None
    sides = {"pytorch": pytorch, "earmark": earmark}
    label = f"distilhubert {length(seconds)}"
    return Case("recording", label, gflop, sides, prepare, rounds=once, threads=bench.threads)


def everything(bench: Bench, files: int, full: bool) -> Iterator[Case]:
    """Every row, in the order of the tables."""
    names = ["distilhubert", "wav2vec2-base", "ast-base", "whisper-base", "clap-htsat"]
    names += ["xls-r-300m", "whisper-medium"] if full else []
    for name in names:
        yield forward(bench, name, checkpoints.SECONDS[name], 1, bench.threads)
        if name not in ("xls-r-300m", "whisper-medium"):
            yield forward(bench, name, checkpoints.SECONDS[name], 8, bench.threads)
    # What a clip's length, the batch and the threads change.
    yield forward(bench, "distilhubert", 1.0, 1, bench.threads)
    yield forward(bench, "distilhubert", 30.0, 1, bench.threads)
    yield forward(bench, "distilhubert", 30.0, 8, bench.threads)
    yield forward(bench, "distilhubert", 5.0, 2, bench.threads)
    yield forward(bench, "distilhubert", 5.0, 4, bench.threads)
    yield forward(bench, "distilhubert", 5.0, 1, 1)
    yield forward(bench, "distilhubert", 5.0, 8, 1)
    yield end_to_end(bench, files)
    yield cold_start(bench, "tiny")
    yield cold_start(bench, "distilhubert")
    yield train(bench, 2, 10.0, 5)
    long = train(bench, 8, 30.0, 2)
    long.instead = train(bench, 2, 30.0, 3)
    yield long
    for seconds in (1.0, 5.0, 30.0, 300.0) + ((3600.0,) if full else ()):
        yield recording(bench, seconds)
