"""Does `earmark train` go where the Trainer goes with Whisper base's real encoder on real recordings, from the same head?

Usage: real_training.py WORK_DIR --model DIR --data DIR [--epochs N] [--fold VALUE] [--most N] [--only earmark|trainer]

DIR of the model is Whisper base as `real/weights.py` makes it; DIR of the data holds clips with a metadata.csv (file_name, fold,
category), as ESC-10. The clips of the fold are held out, those of the others trained on, N of each part at most, in the order
that the seed gives both. Both are given the same samples, and learn at the same time, with a thread each. Whisper's dropout is 0.

WORK_DIR keeps the clips, the first weights and both runs; what is there is not made again, so that the two may run by themselves.
"""

import csv
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
import transformers
from transformers import (
    Trainer,
    TrainingArguments,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
    WhisperForConditionalGeneration,
    set_seed,
)

from common import earmark, json_lines, parser

LOSS = 1e-3  # absolute, of every step
SEED, BATCH, LR, WARMUP = 42, 8, 5e-5, 0.1
RATE = 16_000


def prepare(args, data: Path, init: Path) -> None:
    """The clips as both read them, and the first weights: the real encoder below a head that the seed draws."""
    with open(args.data / "metadata.csv", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["file_name"])
    parts = {True: [], False: []}
    for row in rows:
        parts[row["fold"] == args.fold].append(row)
    for held_out, part in parts.items():
        places = np.linspace(0, len(part) - 1, min(args.most, len(part))).round().astype(int)
        parts[held_out] = [part[place] for place in places]
    rows = sorted(parts[True] + parts[False], key=lambda row: row["file_name"])
    data.mkdir(parents=True)
    with open(data / "metadata.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "fold", "category"])
        for row in rows:
            name = Path(row["file_name"]).with_suffix(".wav").name
            command = [args.earmark, "decode", args.data / row["file_name"], "-o", data / name, "--rate", str(RATE), "--quiet"]
            subprocess.run(command, check=True)
            writer.writerow([name, row["fold"], row["category"]])

    labels = sorted({row["category"] for row in rows})
    whole = WhisperForConditionalGeneration.from_pretrained(args.model, dtype=torch.float32)
    config = WhisperConfig.from_pretrained(args.model, id2label=dict(enumerate(labels)), label2id={n: i for i, n in enumerate(labels)})
    set_seed(SEED)
    model = WhisperForAudioClassification(config).to(torch.float32)
    model.encoder.load_state_dict(whole.model.encoder.state_dict())
    model.save_pretrained(init)
    WhisperFeatureExtractor.from_pretrained(args.model).save_pretrained(init)


class Recorded(Trainer):
    """The Trainer, with the loss of each step and the logits of each evaluation written down as they come."""

    def training_step(self, *args, **kwargs):
        started = time.monotonic()
        loss = super().training_step(*args, **kwargs)
        self.write({"step": self.state.global_step + 1, "loss": loss.item(), "seconds": time.monotonic() - started})
        return loss

    def write(self, line: dict) -> None:
        with open(self.lines, "a") as file:
            print(json.dumps(line), file=file)


def reference(args, data: Path, init: Path, lines: Path) -> None:
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    model = WhisperForAudioClassification.from_pretrained(init)
    extractor = WhisperFeatureExtractor.from_pretrained(init)
    with open(data / "metadata.csv", newline="") as file:
        rows = list(csv.DictReader(file))

    def clips(held_out: bool) -> list[dict]:
        made = []
        for row in rows:
            if (row["fold"] == args.fold) == held_out:
                x, rate = soundfile.read(data / row["file_name"], dtype="float32")
                assert rate == RATE
                features = extractor(x, sampling_rate=RATE, return_tensors="np").input_features[0]
                made.append({"input_features": features, "labels": model.config.label2id[row["category"]]})
        return made

    def accuracy(prediction):
        return {"accuracy": float((prediction.predictions.argmax(1) == prediction.label_ids).mean())}

    trainer = Recorded(
        model,
        TrainingArguments(
            str(lines.parent / "trainer"), eval_strategy="epoch", save_strategy="no", learning_rate=LR,
            per_device_train_batch_size=BATCH, per_device_eval_batch_size=BATCH, num_train_epochs=args.epochs,
            warmup_steps=WARMUP, logging_steps=1, seed=SEED, use_cpu=True, report_to="none", disable_tqdm=True,
        ),
        train_dataset=clips(held_out=False), eval_dataset=clips(held_out=True), compute_metrics=accuracy,
    )
    trainer.lines = lines.with_suffix(".part")
    trainer.lines.unlink(missing_ok=True)
    trainer.train()
    for line in trainer.state.log_history:
        if "eval_loss" in line:
            trainer.write({key: line[key] for key in ("step", "eval_loss", "eval_accuracy")})
        elif "grad_norm" in line:
            trainer.write({"step": line["step"], "grad_norm": float(line["grad_norm"]), "lr": line["learning_rate"]})
    trainer.lines.rename(lines)


def ours(args, data: Path, init: Path, run: Path) -> None:
    more = ["--resume", run] if (run / "recipe.toml").exists() else [
        "--model", init, "--data", data, "--label-column", "category", "--split-by", f"fold:fold={args.fold}", "--output", run,
        "--seed", SEED, "--epochs", args.epochs, "--batch-size", BATCH, "--eval-batch-size", BATCH, "--lr", LR,
        "--warmup-ratio", WARMUP, "--logging-steps", 1, "--precision", "fp32", "--dropout-off",
    ]
    earmark(args.earmark, "train", *more, "--threads", 1)


def by_step(lines: list[dict], key: str) -> dict[int, float]:
    return {line["step"]: line[key] for line in lines if key in line}


def main() -> None:
    p = parser(__doc__)
    p.add_argument("work_dir", type=Path)
    p.add_argument("--model", type=Path, required=True)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--fold", default="1")
    p.add_argument("--most", type=int, default=1_000_000)
    p.add_argument("--only", choices=["earmark", "trainer"])
    args = p.parse_args()
    data, init, run, lines = (args.work_dir / name for name in ("data", "init", "run", "trainer.jsonl"))
    if not (init / "model.safetensors").exists():
        prepare(args, data, init)
    works = {}
    if args.only != "trainer" and not (run / "model").exists():
        works["earmark"] = threading.Thread(target=ours, args=(args, data, init, run))
        works["earmark"].start()
    if args.only != "earmark" and not lines.exists():
        reference(args, data, init, lines)
    for work in works.values():
        work.join()
    if args.only:
        return

    theirs, found = json_lines(lines.read_text()), json_lines((run / "metrics.jsonl").read_text())
    worst, failed = {}, False
    for key, name in {"loss": "loss", "grad_norm": "grad_norm", "lr": "lr", "eval_loss": "eval_loss", "eval_accuracy": "eval_accuracy"}.items():
        want, got = by_step(theirs, key), by_step(found, name)
        if want.keys() != got.keys():
            sys.exit(f"FAILED  {key} is told of {len(want)} steps by the Trainer and of {len(got)} by earmark")
        worst[key], step = max((abs(want[step] - got[step]), step) for step in want)
        print(f"{key:14} {len(want):4} numbers, worst difference {worst[key]:.1e} at step {step}: {want[step]:.6g} and {got[step]:.6g}")
    for step, accuracy in by_step(theirs, "eval_accuracy").items():
        print(f"step {step:4}  accuracy {accuracy:.4f} and {by_step(found, 'eval_accuracy')[step]:.4f}")
    failed = not (worst["loss"] <= LOSS and worst["eval_accuracy"] == 0)
    print(f"{'FAILED' if failed else 'ok':7} Whisper base on real recordings: losses differ by {worst['loss']:.1e}, tolerance {LOSS:.0e}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
