"""Does `earmark train` go step by step where the Hugging Face Trainer goes, from a start nobody has seen?

Usage: trainer_parity.py WORK_DIR [--seed N] [--earmark BINARY]

WORK_DIR/reference is made by tests/golden/train.py, WORK_DIR/run is our run folder; both are left there. The seed
chooses the data, the weights, the order, and the settings; without one a fresh seed is drawn and printed.
"""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

from common import earmark, json_lines, parser, verdict, worst_of

TOLERANCE = 1e-3  # relative, of every logged number
# Each is one that tests/golden/train_settings.py has a golden of, or several together.
SETTINGS = [
    {"gradient_accumulation_steps": 2},
    {"label_smoothing": 0.1, "schedule": "cosine"},
    {"class_weights": "balanced"},
    {"freeze": "feature-encoder", "head_lr": 0.01},
    {"freeze": "layers:0-0", "layer_lr_decay": 0.7},
    {"early_stopping_patience": 1, "schedule": "constant_with_warmup"},
    {"class_weights": "chirp=2,hum=0.5"},
    {"multi_label": "true", "gradient_accumulation_steps": 4},
    {"ema": 0.8},
]
GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "train.py"


def reference(folder: Path, seed: int) -> dict:
    """Lets the Trainer fine-tune a model of the seed's choosing and returns its losses.json."""
    rng = random.Random(seed)
    options = {
        "seed": seed,
        "data-seed": rng.randrange(2**31),
        "norm": rng.choice(["group", "layer"]),
        "hidden": rng.choice([16, 20, 24, 32]),
        "epochs": rng.choice([3, 4, 5]),
        "lr": round(10 ** rng.uniform(-3.0, -2.5), 6),
    }
    # One run in two has settings of its own beside those.
    options |= rng.choice([{}, rng.choice(SETTINGS)])
    print("settings " + ", ".join(f"{key} {value}" for key, value in options.items()))
    flags = [text for key, value in options.items() for text in (f"--{key.replace('_', '-')}", str(value))]
    subprocess.run([sys.executable, GOLDEN, folder, *flags], check=True, stdout=subprocess.DEVNULL)
    return json.loads((folder / "losses.json").read_text())


def with_lists(folder: Path, expected: dict) -> Path:
    """The clips in a folder of their own, with a table of their classes."""
    data = folder / "several"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(folder / "data", data)
    lists = zip(expected["files"], expected["label_lists"], strict=True)
    rows = [{"file_name": file, "label": [expected["labels"][i] for i in classes]} for file, classes in lists]
    (data / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return data


def ours(binary: str, folder: Path, data: Path, run: Path, settings: dict) -> None:
    chosen = {key for options in SETTINGS for key in options} & settings.keys()
    more = [text for key in sorted(chosen) for text in ("--set", f"{key}={settings[key]}")]
    earmark(
        binary, "train", "--model", folder / "init", "--data", data, "--output", run,
        "--test-size", settings["test_size"], "--seed", settings["seed"], "--epochs", settings["epochs"],
        "--batch-size", settings["batch_size"], "--eval-batch-size", settings["batch_size"],
        "--lr", settings["lr"], "--warmup-ratio", settings["warmup_ratio"],
        "--max-duration", settings["max_duration"], "--logging-steps", settings["logging_steps"],
        "--precision", "fp32", "--dropout-off", *more,
    )


def compare(lines: list[dict], got: dict[int, dict], names: dict[str, str]) -> float:
    """The worst relative difference, with a line printed for each number; `names` maps their names to ours."""
    differences = []
    for line in lines:
        found = got.get(line["step"])
        if found is None:
            sys.exit(f"FAILED  metrics.jsonl has no line for step {line['step']}; it has {sorted(got)}")
        for theirs, name in names.items():
            differences.append(abs(found[name] - line[theirs]) / (abs(line[theirs]) or 1.0))
            print(f"{line['step']:5}  {name:14} {line[theirs]:12.6g} {found[name]:12.6g}  {differences[-1]:.1e}")
    return worst_of(differences)


def main() -> None:
    p = parser(__doc__)
    p.add_argument("work_dir", type=Path)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    args = p.parse_args()
    folder, run = args.work_dir / "reference", args.work_dir / "run"
    shutil.rmtree(run, ignore_errors=True)
    expected = reference(folder, args.seed)
    several = "label_lists" in expected
    data = with_lists(folder, expected) if several else folder / "data"
    ours(args.earmark, folder, data, run, expected["settings"])

    lines = json_lines((run / "metrics.jsonl").read_text())
    training = {line["step"]: line for line in lines if "loss" in line}
    evaluation = {line["step"]: line for line in lines if "eval_loss" in line}
    print(f"{'step':>5}  {'':14} {'reference':>12} {'earmark':>12}  relative")
    logged = compare(
        expected["logs"], training, {"loss": "loss", "learning_rate": "lr", "grad_norm": "grad_norm"}
    )
    keys = ["eval_loss", "eval_accuracy", *(["eval_map", "eval_macro_f1", "eval_micro_f1"] if several else [])]
    evaluated = compare(expected["evals"], evaluation, {key: key for key in keys})
    verdict(f"training with seed {args.seed}", worst_of([logged, evaluated]), TOLERANCE)


if __name__ == "__main__":
    main()
