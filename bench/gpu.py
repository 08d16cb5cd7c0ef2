"""Fine-tuning on a GPU: ours beside the Hugging Face Trainer, on the same card, the same clips and the same first weights.

    python bench/gpu.py --earmark target/release/earmark [--devices libtorch:cuda wgpu] [--precisions fp32 bf16 fp16]

The GTZAN recipe's shapes: DistilHuBERT (random weights), batches of 8 clips of 30 s at 16 kHz, AdamW, clipping, no evaluation
in the time. Clips per second are those of the second epoch and later, so that neither side's first compilations count; the
Trainer is given its clips ready in memory, as ours keeps them. Needs torch with CUDA, transformers and accelerate.
"""

import argparse
import json
import re
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
from checkpoints import build

RATE, SECONDS, CLASSES, BATCH, EPOCHS = 16_000, 30, 10, 8, 4


def make_clips(folder: Path, clips: int) -> None:
    """Noise under a tone of its class, a class a folder."""
    random = np.random.default_rng(7)
    for i in range(clips):
        label = i % CLASSES
        path = folder / f"class{label}" / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        time_axis = np.arange(RATE * SECONDS) / RATE
        sound = 0.2 * np.sin(2 * np.pi * 110 * (label + 1) * time_axis) + 0.1 * random.standard_normal(len(time_axis))
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())


def make_model(folder: Path) -> None:
    model, extractor = build("distilhubert")
    extractor.return_attention_mask = True  # as the course asks for
    model.config.id2label = {i: f"class{i}" for i in range(CLASSES)}
    model.config.label2id = {f"class{i}": i for i in range(CLASSES)}
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)


def trainer(folder: Path, precision: str) -> None:
    """One run of the Trainer, in a process of its own; prints JSON."""
    import torch
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, Trainer, TrainerCallback, TrainingArguments

    extractor = AutoFeatureExtractor.from_pretrained(folder / "model")
    clips = []
    for path in sorted((folder / "clips").rglob("*.wav")):
        with wave.open(str(path)) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        values = extractor(sound, sampling_rate=RATE).input_values[0]
        clips.append({"input_values": values, "attention_mask": np.ones(len(values), np.int64), "labels": int(path.parent.name[5:])})

    def collate(rows: list[dict]) -> dict:
        return {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in rows[0]}

    marks = []

    class Clock(TrainerCallback):
        def on_epoch_begin(self, *_, **__) -> None:
            torch.cuda.synchronize()
            marks.append(time.perf_counter())

        def on_epoch_end(self, *_, **__) -> None:
            torch.cuda.synchronize()
            marks.append(time.perf_counter())

    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"), per_device_train_batch_size=BATCH, num_train_epochs=EPOCHS, learning_rate=5e-5,
        warmup_steps=0.1, bf16=precision == "bf16", fp16=precision == "fp16", save_strategy="no", logging_strategy="no",
        report_to="none", disable_tqdm=True, seed=42, dataloader_pin_memory=True,
    )
    model = AutoModelForAudioClassification.from_pretrained(folder / "model")
    run = Trainer(model=model, args=arguments, train_dataset=clips, data_collator=collate, callbacks=[Clock()])
    run.train()
    seconds = [end - start for start, end in zip(marks[::2], marks[1::2], strict=True)][1:]
    peak = torch.cuda.max_memory_allocated() / 1e9
    print(json.dumps({"clips_per_second": [len(clips) / s for s in seconds], "peak_gb": peak}))


def ours(earmark: str, folder: Path, device: str, precision: str, limit: float) -> dict:
    # One clip a class is the fewest that can be held out; their evaluation is not in the time.
    command = [
        earmark, "train", "--data", str(folder / "clips"), "--model", str(folder / "model"), "--device", device,
        "--precision", precision, "--epochs", str(EPOCHS), "--batch-size", str(BATCH), "--test-size", "10",
        "--output", str(folder / f"run-{device.replace(':', '-')}-{precision}-{time.monotonic_ns()}"),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired as late:
        return {"error": f"not over after {limit:.0f} s", "log": (late.stderr or b"").decode(errors="replace")[-2000:]}
    rates = [float(row.group(1)) for row in re.finditer(r"^\s*\d+\s+\S+\s+\S+\s+\S+\s+(?:best)?\s+([\d.]+)\s+\d+:\d\d", done.stderr, re.M)]
    if done.returncode != 0 or len(rates) < 2:
        return {"error": f"exit code {done.returncode}", "log": done.stderr[-2000:]}
    return {"clips_per_second": rates[1:], "log": done.stderr}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--earmark", default="target/release/earmark", help="the binary to measure")
    parser.add_argument("--devices", nargs="+", default=["libtorch:cuda"], help="ours, by name")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16", "fp16"])
    parser.add_argument("--clips", type=int, default=170, help="clips of 30 s")
    parser.add_argument("--limit", type=float, default=120, help="seconds a run of ours may take")
    parser.add_argument("--folder", type=Path, default=Path("target/bench/gpu"), help="where clips, model and runs go")
    parser.add_argument("--trainer", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.trainer:
        return trainer(args.folder, args.trainer)
    if not (args.folder / "model").is_dir():
        make_clips(args.folder / "clips", args.clips)
        make_model(args.folder / "model")
    rows = []
    for precision in args.precisions:
        peer = subprocess.run(
            [sys.executable, __file__, "--trainer", precision, "--folder", str(args.folder)], capture_output=True, text=True
        )
        answer = json.loads(peer.stdout.splitlines()[-1]) if peer.returncode == 0 else {"error": peer.stderr[-1500:]}
        rows.append({"who": "Trainer", "device": "cuda", "precision": precision} | answer)
        print(json.dumps(rows[-1]), flush=True)
        for device in args.devices:
            rows.append({"who": "earmark", "device": device, "precision": precision} | ours(args.earmark, args.folder, device, precision, args.limit))
            print(json.dumps({key: value for key, value in rows[-1].items() if key != "log" or "error" in rows[-1]}), flush=True)
    (args.folder / "results.json").write_text(json.dumps(rows, indent=1))
    print("\n| | device | precision | clips/s, epochs 2 to 4 |\n|---|---|---|---|")
    for row in rows:
        rates = ", ".join(f"{rate:.1f}" for rate in row.get("clips_per_second", [])) or row.get("error", "")[:60]
        print(f"| {row['who']} | {row['device']} | {row['precision']} | {rates} |")


if __name__ == "__main__":
    main()
