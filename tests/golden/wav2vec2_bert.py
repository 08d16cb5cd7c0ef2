"""Wav2Vec2-BERT goldens: tiny random models and what transformers makes of two clips, stage by stage.

Usage: wav2vec2_bert.py [OUT]    (OUT is the folder this script lies in unless given)

README.md lists the files and keys. Every number follows from the seeds below.
"""

import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from torch import nn
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertForSequenceClassification

from speech import LABELS, RATE, TARGETS, clip, randomise

NO_CHANCE = dict(
    hidden_dropout=0.0,
    attention_dropout=0.0,
    activation_dropout=0.0,
    feat_proj_dropout=0.0,
    final_dropout=0.0,
    conformer_conv_dropout=0.0,
    layerdrop=0.0,
    mask_time_prob=0.0,
    mask_feature_prob=0.0,
    apply_spec_augment=False,
)
MELS = 6


@dataclass
class Variant:
    """One model: its architecture, its clips, and the number format of its file."""

    seed: int
    clips: tuple[int, int]  # lengths in samples
    config: dict
    dtype: torch.dtype = torch.float32
    idle: set[str] = field(default_factory=set)  # parameters that cannot move the logits, beside the key biases


VARIANTS = {
    # As published: a vector for each near distance, fewer than the clips have.
    "relative-key": Variant(
        seed=31,
        clips=(4400, 3050),
        config=dict(
            hidden_size=16, num_attention_heads=4, intermediate_size=20, conv_depthwise_kernel_size=5,
            left_max_position_embeddings=6, right_max_position_embeddings=2, classifier_proj_size=10,
        ),
    ),
    "relative": Variant(
        seed=32,
        clips=(2000, 4300),
        config=dict(
            hidden_size=16, num_attention_heads=2, intermediate_size=20, conv_depthwise_kernel_size=7,
            position_embeddings_type="relative", layer_norm_eps=1e-3, use_weighted_layer_sum=True, classifier_proj_size=10,
        ),
        dtype=torch.float16,
    ),
    # A kernel longer than the clips.
    "rotary": Variant(
        seed=33,
        clips=(4000, 3000),
        config=dict(
            hidden_size=18, num_attention_heads=3, intermediate_size=20, conv_depthwise_kernel_size=31, hidden_act="gelu",
            position_embeddings_type="rotary", rotary_embedding_base=100, classifier_proj_size=10,
        ),
    ),
    "none": Variant(
        seed=34,
        clips=(3000, 4000),
        config=dict(
            hidden_size=15, num_attention_heads=3, intermediate_size=20, conv_depthwise_kernel_size=3,
            position_embeddings_type=None, classifier_proj_size=10, mask_time_prob=0.05, apply_spec_augment=True,
        ),
        idle={"wav2vec2_bert.masked_spec_embed"},
    ),
}


def extractor() -> SeamlessM4TFeatureExtractor:
    return SeamlessM4TFeatureExtractor(num_mel_bins=MELS, feature_size=MELS, padding_value=1.0)


@torch.no_grad()
def forward(model: nn.Module, inputs: torch.Tensor, mask: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """One evaluation pass and what each stage of it gave."""
    stages, base = {}, model.base_model

    def keep(name: str, module: nn.Module, of: str = "output"):
        def hook(_module, args, output):
            # A copy: the reference zeroes padded frames in place, later, in these very tensors.
            kept = output if of == "output" else args[0]
            stages[name] = (kept[0] if isinstance(kept, tuple) else kept).clone()

        return module.register_forward_hook(hook)

    hooks = [keep("feature_projection", base.feature_projection), keep("pooled", model.classifier, of="input")]
    out = model(inputs, attention_mask=mask, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    stages |= {f"hidden_states.{i}": state for i, state in enumerate(out.hidden_states)}
    return stages | {"logits": out.logits}


def gradients(folder: Path, inputs: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """The loss in training mode and its gradient by every parameter."""
    model = Wav2Vec2BertForSequenceClassification.from_pretrained(folder, dtype=torch.float32, **NO_CHANCE).train()
    loss = model(inputs, attention_mask=mask, labels=TARGETS).loss
    loss.backward()
    return {"loss": loss.detach()} | {
        f"grad.{name}": p.grad for name, p in model.named_parameters() if p.grad is not None
    }


@torch.no_grad()
def least_effect(model: nn.Module, idle: set[str], inputs: torch.Tensor, mask: torch.Tensor) -> float:
    """The smallest move of the logits when one parameter is zeroed; fails where a parameter is as good as unused."""
    logits = model(inputs, attention_mask=mask).logits
    least = float("inf")
    for name, parameter in model.named_parameters():
        # A bias of the keys adds the same to every score of a query, and softmax takes it out again.
        if name.endswith("linear_k.bias") or name in idle:
            continue
        kept = parameter.clone()
        parameter.zero_()
        moved = (model(inputs, attention_mask=mask).logits - logits).abs().nan_to_num(torch.inf).max().item()
        parameter.copy_(kept)
        assert moved > 1e-3, f"zeroing {name} moves the logits by {moved:.1e} only"
        least = min(least, moved)
    return least


def make(name: str, variant: Variant, out: Path) -> None:
    folder = out / name
    folder.mkdir(parents=True)
    labels = dict(id2label=dict(enumerate(LABELS)), label2id={label: i for i, label in enumerate(LABELS)})
    config = Wav2Vec2BertConfig(
        num_hidden_layers=2, feature_projection_input_dim=2 * MELS, **(NO_CHANCE | variant.config), **labels
    )
    model = Wav2Vec2BertForSequenceClassification(config)
    randomise(model, variant.seed)
    extractor().save_pretrained(folder)
    model.config.architectures = [type(model).__name__]
    model.config.dtype = variant.dtype
    model.config.save_pretrained(folder)
    weights = {key: value.to(variant.dtype) for key, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    # Read back, as f32: what is expected is what the file says, rounding to f16 included.
    model, report = Wav2Vec2BertForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert not any(report.values()), report
    model.eval()

    rng = np.random.RandomState(variant.seed)
    clips = [clip(samples, rng) for samples in variant.clips]
    batch = extractor()(clips, sampling_rate=RATE, return_tensors="pt")
    inputs, mask = batch["input_features"], batch["attention_mask"]
    golden = {"input_features": inputs, "attention_mask": mask.to(torch.uint8), "labels": TARGETS}
    golden |= forward(model, inputs, mask)
    unmasked = forward(model, inputs, None)
    golden |= {f"unmasked.{key}": unmasked[key] for key in ("pooled", "logits")}
    for i, samples in enumerate(clips):
        golden[f"clip.{i}"] = torch.from_numpy(samples)
        alone = extractor()(samples, sampling_rate=RATE, return_tensors="pt")
        golden[f"alone.{i}.logits"] = forward(model, alone["input_features"], alone["attention_mask"])["logits"]
    golden |= gradients(folder, inputs, mask)
    least = least_effect(model, variant.idle, inputs, mask)
    path = out / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in golden.items()}, path)
    kilobytes = sum(p.stat().st_size for p in [path, *folder.iterdir()]) / 1000
    print(f"{name:15} {mask.sum(1).tolist()} frames, {kilobytes:.0f} kB, least effect of a parameter {least:.1e}")


def main() -> None:
    torch.set_num_threads(1)  # the order of a sum is part of its last digit
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent) / "wav2vec2_bert"
    shutil.rmtree(out, ignore_errors=True)
    for name, variant in VARIANTS.items():
        make(name, variant, out)


if __name__ == "__main__":
    main()
