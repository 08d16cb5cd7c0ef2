"""The fine-tuning of train.py once more for each setting that changes what is learned, from the same data and weights.

Usage: train_settings.py

train_settings/NAME.json is what losses.json is for train.py, whose golden has to be there.
"""

import tempfile
from pathlib import Path

import train

# A name, and the arguments of train.py.
RUNS = {
    "accumulation": "--gradient-accumulation-steps 2",
    "label-smoothing": "--label-smoothing 0.1",
    "focal": "--focal-gamma 2",
    "class-weights": "--class-weights balanced",
    "named-class-weights": "--class-weights chirp=1.5,hum=0.25",
    "both": "--class-weights balanced --label-smoothing 0.2",
    "cosine": "--schedule cosine",
    "constant": "--schedule constant",
    "constant-with-warmup": "--schedule constant_with_warmup",
    "feature-encoder": "--freeze feature-encoder",
    "backbone": "--freeze backbone --lr 0.02",
    "layers": "--freeze feature-encoder,layers:0-0",
    "head-lr": "--head-lr 0.004",
    "layer-lr-decay": "--layer-lr-decay 0.5",
    "multi-label": "--multi-label true",
    "multi-label-accumulation": "--multi-label true --gradient-accumulation-steps 4",
    "multi-label-weights": "--multi-label true --class-weights balanced",
    "lora": "--lora-rank 4 --lora-alpha 8 --lr 0.01",
    "lora-accumulation": "--lora-rank 4 --gradient-accumulation-steps 4 --lr 0.01",
    "ema": "--ema 0.9",
    "early-stopping": "--early-stopping-patience 1 --epochs 8",
}


def main() -> None:
    train.quietly()
    here = Path(__file__).parent
    (here / "train_settings").mkdir(exist_ok=True)
    for name, arguments in RUNS.items():
        with tempfile.TemporaryDirectory() as run:
            record = train.train(train.options(arguments.split()), here / "train", Path(run))
        (here / "train_settings" / f"{name}.json").write_text(train.lines(record))
        losses = [step["loss"] for step in record["steps"]]
        print(f"{name:22} loss {losses[0]:.4f} to {losses[-1]:.4f} in {len(losses)} steps")


if __name__ == "__main__":
    main()
