"""A small fine-tuning with the Hugging Face Trainer: the data, the first weights, and every number on the way.

Usage: train.py [OUT] [--seed N] [--data-seed N] [--norm group|layer] [--hidden N] [--epochs N] [--lr X] [SETTING VALUE]..

OUT is the folder `train` beside this script unless given. Without options it makes the golden that README.md
describes; interop/trainer_parity.py gives other seeds to get runs nobody has seen. The settings are those of
`earmark train` by the same names: train_settings.py makes a golden of each.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import accelerate
import datasets
import numpy as np
import soundfile
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from sklearn.metrics import accuracy_score, average_precision_score, f1_score
from sklearn.utils.class_weight import compute_class_weight
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import (
    AutoModelForAudioClassification,
    EarlyStoppingCallback,
    HubertConfig,
    HubertForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    Wav2Vec2FeatureExtractor,
    set_seed,
)

RATE = 16_000
LABELS = ["chirp", "hiss", "hum"]
CLIPS_PER_LABEL = 8
BATCH = 4
TEST_SIZE = 0.25
MAX_DURATION = 0.4  # seconds; a label's first clip is longer, so truncation is part of the golden
WARMUP_RATIO = 0.1
LOGGING_STEPS = 3  # does not divide the five steps of an epoch: means that cross its end are part of it too


# Settings beside those that every run has: name, type, default.
SETTINGS = [
    ("gradient_accumulation_steps", int, 1),
    ("label_smoothing", float, 0.0),
    ("focal_gamma", float, 0.0),
    ("class_weights", str, "none"),
    ("freeze", str, ""),
    ("schedule", str, "linear"),
    ("head_lr", float, None),
    ("layer_lr_decay", float, 1.0),
    ("early_stopping_patience", int, 0),
    ("multi_label", str, "false"),
    ("lora_rank", int, 0),
    ("lora_alpha", float, None),
    ("lora_targets", str, ""),
    ("ema", float, 0.0),
]


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, default=Path(__file__).parent / "train")
    parser.add_argument("--seed", type=int, default=42, help="of the split, the first weights and the order of clips")
    parser.add_argument("--data-seed", type=int, default=11)
    parser.add_argument("--norm", choices=["group", "layer"], default="group")
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--lr", type=float, default=2e-3)
    for name, kind, default in SETTINGS:
        parser.add_argument("--" + name.replace("_", "-"), type=kind, default=default)
    return parser.parse_args(arguments)


def chosen(opts: argparse.Namespace) -> dict:
    """The settings that have no default value."""
    return {name: getattr(opts, name) for name, _, default in SETTINGS if getattr(opts, name) != default}


def sound(label: str, samples: int, rng: np.random.RandomState) -> np.ndarray:
    t = np.arange(samples) / RATE
    pitch = rng.uniform(150, 400)
    if label == "chirp":
        x = np.sin(2 * np.pi * (pitch * t + 2500 * t * t)) * (t * 9 % 1 < 0.6)
    elif label == "hiss":
        x = rng.randn(samples) * (0.6 + 0.4 * np.sin(2 * np.pi * 5 * t))
    else:
        x = sum(np.sin(2 * np.pi * pitch * h * t) / h for h in range(1, 6))
    x = x + 0.05 * rng.randn(samples)
    return (x / np.abs(x).max() * rng.uniform(0.2, 0.9)).astype(np.float32)


def write_data(folder: Path, seed: int) -> None:
    rng = np.random.RandomState(seed)
    for label in LABELS:
        (folder / label).mkdir(parents=True)
        for i in range(CLIPS_PER_LABEL):
            seconds = rng.uniform(0.25, 0.4) if i else 0.5
            x = sound(label, int(RATE * seconds), rng)
            soundfile.write(folder / label / f"{label}.{i:02}.wav", x, RATE, subtype="PCM_16")


def write_first_weights(folder: Path, norm: str, hidden: int, seed: int) -> None:
    set_seed(seed)
    config = HubertConfig(
        hidden_size=hidden, num_hidden_layers=2, num_attention_heads=4, intermediate_size=2 * hidden,
        conv_dim=(16,) * 7, feat_proj_layer_norm=norm == "layer", conv_bias=norm == "layer", feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer", num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4,
        classifier_proj_size=16,
        initializer_range=0.1,  # with the usual 0.02 so narrow a model learns next to nothing
        # No chance anywhere: what is compared is the arithmetic.
        hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.0, feat_proj_dropout=0.0, final_dropout=0.0,
        layerdrop=0.0, mask_time_prob=0.0, mask_feature_prob=0.0, apply_spec_augment=False,
        id2label=dict(enumerate(LABELS)), label2id={label: i for i, label in enumerate(LABELS)},
    )
    HubertForSequenceClassification(config).save_pretrained(folder)
    extractor().save_pretrained(folder)


def several_labels(files: list[str]) -> list[list[int]]:
    """Classes of clips that may have any number of them: their own, every second one the next class, too, and the last two none."""
    label_lists = []
    for file in files:
        label, number = file.split("/")[0], int(file.split(".")[1])
        own = LABELS.index(label)
        label_lists.append([] if number >= CLIPS_PER_LABEL - 2 else sorted({own, (own + number % 2) % len(LABELS)}))
    return label_lists


def extractor() -> Wav2Vec2FeatureExtractor:
    return Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)


def with_adapters(model: HubertForSequenceClassification, opts: argparse.Namespace) -> PeftModel:
    """The model with PEFT's adapters, whose first numbers are ours: lora_first.safetensors is the adapter of a run that learned nothing."""
    config = LoraConfig(
        r=opts.lora_rank,
        lora_alpha=opts.lora_rank if opts.lora_alpha is None else opts.lora_alpha,
        target_modules=opts.lora_targets.split(",") if opts.lora_targets else ["q_proj", "v_proj"],
        modules_to_save=["projector", "classifier"],
    )
    model = get_peft_model(model, config)
    first = load_file(Path(__file__).parent / "train_settings" / "lora_first.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_A" in name:
                # The file has the layers that any run adapts; their A is the same in each.
                parameter.copy_(first[name.replace(".default", "")])
    return model


class Averaging(TrainerCallback):
    """An average of the weights after each step."""

    def __init__(self, model, decay):
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))

    def on_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.average.update_parameters(model)


class RecordingTrainer(Trainer):
    """The Trainer, writing down each step as well as the means it logs."""

    def __init__(self, opts, class_weights, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.opts, self.class_weights = opts, class_weights
        self.steps = []
        # 5.23.0 takes this model for one that divides by the number of labels, and then does not divide by the number of
        # accumulated batches (tests/golden/README.md).
        self.model_accepts_loss_kwargs = False

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        several = self.opts.multi_label == "true"
        if self.class_weights is None and not self.opts.focal_gamma and not several:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        if several:
            # What the models do that look at `problem_type`; HuBERT's looks at none, and always takes the cross-entropy.
            loss = torch.nn.BCEWithLogitsLoss(pos_weight=self.class_weights)(outputs.logits, labels)
            return (loss, outputs) if return_outputs else loss
        if self.opts.focal_gamma:
            of_clip = torch.nn.functional.cross_entropy(outputs.logits, labels, reduction="none")
            loss = ((1 - torch.exp(-of_clip)) ** self.opts.focal_gamma * of_clip).mean()
            return (loss, outputs) if return_outputs else loss
        loss = torch.nn.functional.cross_entropy(
            outputs.logits, labels, self.class_weights, label_smoothing=self.opts.label_smoothing
        )
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *args, **kwargs):
        averaging = [it for it in self.callback_handler.callbacks if isinstance(it, Averaging)]
        weights = {key: value.clone() for key, value in self.model.state_dict().items()}
        for it in averaging:
            self.model.load_state_dict(it.average.module.state_dict())
        metrics = super().evaluate(*args, **kwargs)
        self.model.load_state_dict(weights)
        return metrics

    def create_optimizer(self, *args, **kwargs):
        if self.opts.head_lr is None and self.opts.layer_lr_decay == 1.0:
            return super().create_optimizer(*args, **kwargs)
        cls, options = Trainer.get_optimizer_cls_and_kwargs(self.args, self.model)
        layers = self.model.config.num_hidden_layers
        groups = {self.opts.lr: []}  # first: its rate is the one that is logged
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                groups.setdefault(peak(self.opts, name, layers), []).append(parameter)
        options["weight_decay"] = self.args.weight_decay  # 0 for us, and 0.01 where AdamW is not told
        self.optimizer = cls([{"params": found, "lr": lr} for lr, found in groups.items() if found], **options)
        return self.optimizer

    def training_step(self, model, inputs, *args, **kwargs):
        samples, labels = inputs["attention_mask"].sum(1).tolist(), inputs["labels"].tolist()
        if not self.steps or "grad_norm" in self.steps[-1]:
            lr = self.optimizer.param_groups[0]["lr"]
            self.steps.append({"step": len(self.steps) + 1, "loss": 0.0, "lr": lr, "samples": [], "labels": []})
        step = self.steps[-1]
        loss = super().training_step(model, inputs, *args, **kwargs)
        step["loss"] += loss.item()
        step["samples"] += samples
        step["labels"] += labels
        return loss

    def _clip_grad_norm(self, model):
        norm = super()._clip_grad_norm(model)
        self.steps[-1]["grad_norm"] = float(norm)
        return norm


def peak(opts: argparse.Namespace, name: str, layers: int) -> float:
    """The peak learning rate of a parameter of HuBERT: the groups of BEiT and of timm."""
    path = name.removeprefix("hubert.").split(".")
    if path[0] in ("projector", "classifier"):
        return opts.lr if opts.head_lr is None else opts.head_lr
    if path[:2] == ["encoder", "layers"]:
        below = layers - int(path[2])
    else:
        below = layers + 1
    return opts.lr * opts.layer_lr_decay**below


def freeze(model: HubertForSequenceClassification, parts: str) -> None:
    for part in filter(None, parts.split(",")):
        if part == "feature-encoder":
            model.freeze_feature_encoder()
        elif part == "backbone":
            model.freeze_base_model()
        else:
            first, last = map(int, part.removeprefix("layers:").split("-"))
            for layer in model.hubert.encoder.layers[first : last + 1]:
                layer.requires_grad_(False)


def train(opts: argparse.Namespace, out: Path, run: Path) -> dict:
    data = out / "data"
    files = sorted(path.relative_to(data) for path in data.glob("*/*.wav"))
    rows = {"file": [str(f) for f in files], "label": [LABELS.index(f.parent.name) for f in files]}
    several = opts.multi_label == "true"
    if several:
        label_lists = several_labels(rows["file"])
        rows["label"] = [[float(i in of) for i in range(len(LABELS))] for of in label_lists]
    split = datasets.Dataset.from_dict(rows | {"row": list(range(len(files)))}).train_test_split(
        test_size=TEST_SIZE, seed=opts.seed, shuffle=True
    )
    fe = extractor()

    def features(batch):
        return fe(
            [soundfile.read(data / f, dtype="float32")[0] for f in batch["file"]],
            sampling_rate=RATE,
            max_length=int(RATE * MAX_DURATION),
            truncation=True,
            return_attention_mask=True,
        )

    encoded = split.map(features, batched=True, remove_columns=["file", "row"])
    evaluations = []

    def accuracy(prediction):
        evaluations.append({"logits": np.asarray(prediction.predictions).tolist()})
        if several:
            actual, found = prediction.label_ids.astype(int), (prediction.predictions >= 0).astype(int)
            return {
                "accuracy": accuracy_score(actual, found),
                "map": average_precision_score(actual, prediction.predictions, average="macro"),
                "macro_f1": f1_score(actual, found, average="macro"),
                "micro_f1": f1_score(actual, found, average="micro"),
            }
        return {"accuracy": float((prediction.predictions.argmax(1) == prediction.label_ids).mean())}

    class_weights = None
    if opts.class_weights == "balanced" and several:
        of_class = np.array(split["train"]["label"]).sum(0)
        class_weights = torch.tensor((len(split["train"]) - of_class) / of_class, dtype=torch.float32)
    elif "=" in opts.class_weights:
        named = dict(pair.split("=") for pair in opts.class_weights.split(","))
        class_weights = torch.tensor([float(named.get(label, 1.0)) for label in LABELS])
    elif opts.class_weights == "balanced":
        weights = compute_class_weight("balanced", classes=np.arange(len(LABELS)), y=np.array(split["train"]["label"]))
        class_weights = torch.tensor(weights, dtype=torch.float32)
    model = AutoModelForAudioClassification.from_pretrained(out / "init")
    freeze(model, opts.freeze)
    if opts.lora_rank:
        model = with_adapters(model, opts)
    callbacks = [EarlyStoppingCallback(opts.early_stopping_patience)] if opts.early_stopping_patience else []
    if opts.ema:
        callbacks.append(Averaging(model, opts.ema))
    trainer = RecordingTrainer(
        opts,
        class_weights,
        model,
        TrainingArguments(
            str(run),
            eval_strategy="epoch",
            save_strategy="epoch",
            learning_rate=opts.lr,
            per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=BATCH,
            num_train_epochs=opts.epochs,
            warmup_steps=WARMUP_RATIO,  # below one it is a share of the steps
            logging_steps=LOGGING_STEPS,
            load_best_model_at_end=True,
            metric_for_best_model="map" if several else "accuracy",
            seed=opts.seed,
            label_smoothing_factor=0.0 if class_weights is not None else opts.label_smoothing,
            lr_scheduler_type=opts.schedule,
            gradient_accumulation_steps=opts.gradient_accumulation_steps,
            use_cpu=True,
            report_to="none",
            label_names=["labels"],  # which a PeftModel does not tell
            disable_tqdm=True,
        ),
        train_dataset=encoded["train"],
        eval_dataset=encoded["test"],
        processing_class=fe,
        compute_metrics=accuracy,
        callbacks=callbacks,
    )
    trainer.train()

    # The rows of a step follow from the seed: say so only after the labels that passed by agree.
    train_rows, steps = split["train"]["row"][:], trainer.steps
    clips = BATCH * opts.gradient_accumulation_steps
    per_epoch = -(-len(train_rows) // clips)
    for i, step in enumerate(steps):
        generator = torch.Generator().manual_seed(opts.seed + i // per_epoch)
        order = torch.randperm(len(train_rows), generator=generator).tolist()
        at = i % per_epoch * clips
        step["rows"] = [train_rows[k] for k in order[at : at + clips]]
        assert step.pop("labels") == [rows["label"][row] for row in step["rows"]], "the order of the clips is not ours"

    history = trainer.state.log_history
    for evaluation, line in zip(evaluations, [line for line in history if "eval_loss" in line], strict=True):
        metrics = ("eval_map", "eval_macro_f1", "eval_micro_f1") if several else ()
        evaluation |= {key: line[key] for key in ("step", "epoch", "eval_loss", "eval_accuracy", *metrics)}
    return {
        "versions": {m.__name__: m.__version__.split("+")[0] for m in (transformers, torch, accelerate, datasets)},
        "settings": {
            "seed": opts.seed, "test_size": TEST_SIZE, "max_duration": MAX_DURATION, "epochs": opts.epochs,
            "batch_size": BATCH, "lr": opts.lr, "warmup_ratio": WARMUP_RATIO, "logging_steps": LOGGING_STEPS,
        }
        | chosen(opts),
        "labels": LABELS,
        "files": rows["file"],
        **({"label_lists": label_lists} if several else {}),
        "train_rows": train_rows,
        "test_rows": split["test"]["row"][:],
        "steps": steps,
        "logs": [{key: line[key] for key in ("step", "epoch", "loss", "learning_rate", "grad_norm")}
                 for line in history if "loss" in line],
        "evals": evaluations,
        "best_step": int(trainer.state.best_model_checkpoint.rpartition("-")[2]),
    }


def lines(record: dict) -> str:
    """JSON with one line for each step, so that a difference between two runs is a line."""

    def value(v) -> str:
        if isinstance(v, list) and v and isinstance(v[0], dict):
            return "[\n  " + ",\n  ".join(map(json.dumps, v)) + "\n ]"
        return json.dumps(v)

    return "{\n" + ",\n".join(f' "{key}": {value(v)}' for key, v in record.items()) + "\n}\n"


def quietly() -> None:
    torch.set_num_threads(1)  # the order of a sum is part of its last digit
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    datasets.disable_caching()


def main() -> None:
    quietly()
    opts = options()
    shutil.rmtree(opts.out, ignore_errors=True)
    write_data(opts.out / "data", opts.data_seed)
    write_first_weights(opts.out / "init", opts.norm, opts.hidden, opts.seed)
    with tempfile.TemporaryDirectory() as run:
        record = train(opts, opts.out, Path(run))
        last = Path(run) / f"checkpoint-{len(record['steps'])}" / "model.safetensors"
        save_file(load_file(last), opts.out / "last.safetensors", metadata={"format": "pt"})
    (opts.out / "losses.json").write_text(lines(record))
    for line in record["evals"]:
        print(f"step {line['step']:3}  eval loss {line['eval_loss']:.4f}  accuracy {line['eval_accuracy']:.3f}")
    kilobytes = sum(p.stat().st_size for p in opts.out.rglob("*") if p.is_file()) / 1000
    losses = [step["loss"] for step in record["steps"]]
    print(f"loss {losses[0]:.4f} to {losses[-1]:.4f} in {len(losses)} steps, {kilobytes:.0f} kB in {opts.out}")


if __name__ == "__main__":
    main()
