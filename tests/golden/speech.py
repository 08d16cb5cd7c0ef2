"""Speech encoder goldens: tiny random models and what transformers makes of two clips, stage by stage.

Usage: speech.py [OUT]    (OUT is the folder this script lies in unless given)

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
from transformers import AutoModelForAudioClassification, CONFIG_MAPPING, Wav2Vec2FeatureExtractor

RATE = 16_000
LABELS = ["bell", "rain", "siren"]
TARGETS = torch.tensor([2, 0])

# In training mode these leave only the arithmetic: nothing is dropped, skipped or masked.
NO_CHANCE = dict(
    hidden_dropout=0.0,
    attention_dropout=0.0,
    activation_dropout=0.0,
    feat_proj_dropout=0.0,
    final_dropout=0.0,
    layerdrop=0.0,
    mask_time_prob=0.0,
    mask_feature_prob=0.0,
    apply_spec_augment=False,
)

# Four convolutions instead of seven: 40 samples a frame, so that a clip of 600 samples still gives 14 frames.
FOUR_CONVOLUTIONS = dict(conv_kernel=(10, 3, 3, 2), conv_stride=(5, 2, 2, 2))

# Conformer blocks have positions of their own, but every checkpoint has the convolution of the others too.
CONFORMER = dict(
    num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, classifier_proj_size=10, conformer_conv_dropout=0.0,
)
UNREAD_POSITIONS = {
    f"wav2vec2_conformer.encoder.pos_conv_embed.conv.{name}"
    for name in ("bias", "parametrizations.weight.original0", "parametrizations.weight.original1")
}

# Their states are of several frames each.
SQUEEZED = {"sew", "sew-d"}
# What comes after the layers is no hidden state: a norm, or the frames of the squeezed ones.
OWN_LAST_STATE = {"wav2vec2-conformer"} | SQUEEZED


@dataclass
class Variant:
    """One model: its architecture, its clips, and the way its weights are stored."""

    seed: int
    clips: tuple[int, int]  # lengths in samples
    config: dict
    weights: str = "model.safetensors"
    dtype: torch.dtype = torch.float32
    family: str = "hubert"  # the model_type
    old_names: bool = False  # `weight_g` and `weight_v`, as torch before 2.0 and most files on the Hub have it
    idle: set[str] = field(default_factory=set)  # parameters that cannot move the logits, beside the key biases


VARIANTS = {
    # DistilHuBERT. Its mask probability is not zero, so the file has a `masked_spec_embed` nobody reads.
    "group": Variant(
        seed=1,
        clips=(3200, 2300),
        config=dict(
            hidden_size=16, num_attention_heads=4, intermediate_size=24, conv_dim=(8,) * 7,
            feat_proj_layer_norm=False, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
            classifier_proj_size=12, mask_time_prob=0.05, apply_spec_augment=True,
        ),
        idle={"hubert.masked_spec_embed"},
    ),
    # HuBERT large. `layer_norm_eps` is far from 1e-5, which the convolutions' layer norms use all the same.
    "layer-stable": Variant(
        seed=2,
        clips=(2400, 3200),
        config=dict(
            hidden_size=15, num_attention_heads=3, intermediate_size=20, conv_dim=(8, 8, 6, 6, 8, 8, 10),
            feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True, layer_norm_eps=1e-3,
            num_conv_pos_embeddings=15, num_conv_pos_embedding_groups=5, classifier_proj_size=12,
        ),
        weights="pytorch_model.bin",
        old_names=True,
    ),
    "weighted": Variant(
        seed=3,
        clips=(1000, 600),
        config=dict(
            hidden_size=16, num_attention_heads=2, intermediate_size=24, conv_dim=(8, 10, 8, 12),
            use_weighted_layer_sum=True, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
            classifier_proj_size=10, **FOUR_CONVOLUTIONS,
        ),
        old_names=True,
    ),
    "batch-norm-pos": Variant(
        seed=4,
        clips=(640, 1000),
        config=dict(
            hidden_size=16, num_attention_heads=4, intermediate_size=24, conv_dim=(8,) * 4, hidden_act="relu",
            conv_pos_batch_norm=True, num_conv_pos_embeddings=7, num_conv_pos_embedding_groups=4,
            classifier_proj_size=12, **FOUR_CONVOLUTIONS,
        ),
        dtype=torch.float16,
    ),
    # XLS-R's architecture.
    "wav2vec2": Variant(
        seed=5,
        clips=(1000, 700),
        family="wav2vec2",
        config=dict(
            hidden_size=16, num_attention_heads=4, intermediate_size=20, conv_dim=(8, 6, 8, 10),
            feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True,
            num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4, classifier_proj_size=10, **FOUR_CONVOLUTIONS,
        ),
        old_names=True,
    ),
    "unispeech": Variant(
        seed=6,
        clips=(640, 1000),
        family="unispeech",
        config=dict(
            hidden_size=16, num_attention_heads=2, intermediate_size=20, conv_dim=(8,) * 4,
            num_conv_pos_embeddings=7, num_conv_pos_embedding_groups=2, classifier_proj_size=10, **FOUR_CONVOLUTIONS,
        ),
    ),
    "unispeech-sat": Variant(
        seed=7,
        clips=(900, 1000),
        family="unispeech-sat",
        config=dict(
            hidden_size=16, num_attention_heads=2, intermediate_size=20, conv_dim=(8,) * 4,
            use_weighted_layer_sum=True, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4,
            classifier_proj_size=10, **FOUR_CONVOLUTIONS,
        ),
        idle={"unispeech_sat.masked_spec_embed"},  # there even when nothing is ever masked
    ),
    # Distances up to 4 frames apart have buckets of their own; the clips have up to 24 frames.
    "wavlm": Variant(
        seed=8,
        clips=(640, 1000),
        family="wavlm",
        config=dict(
            hidden_size=16, num_attention_heads=4, intermediate_size=20, conv_dim=(8,) * 4, num_buckets=16,
            max_bucket_distance=14, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4,
            use_weighted_layer_sum=True, classifier_proj_size=10, **FOUR_CONVOLUTIONS,
        ),
    ),
    # WavLM large.
    "wavlm-stable": Variant(
        seed=9,
        clips=(1000, 700),
        family="wavlm",
        config=dict(
            hidden_size=15, num_attention_heads=3, intermediate_size=20, conv_dim=(8, 6, 8, 10),
            feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True, num_buckets=320,
            max_bucket_distance=800, num_conv_pos_embeddings=7, num_conv_pos_embedding_groups=5,
            classifier_proj_size=10, **FOUR_CONVOLUTIONS,
        ),
        weights="pytorch_model.bin",
        old_names=True,
        dtype=torch.float16,
    ),
    "data2vec-audio": Variant(
        seed=10,
        clips=(640, 1000),
        family="data2vec-audio",
        config=dict(
            hidden_size=16, num_attention_heads=4, intermediate_size=20, conv_dim=(8, 6, 8, 10),
            num_conv_pos_embeddings=3, conv_pos_kernel_size=5, num_conv_pos_embedding_groups=4,
            classifier_proj_size=10, **FOUR_CONVOLUTIONS,
        ),
    ),
    # The three ways in which Conformer blocks know where a frame is. Far frames tell `relative` from a short table.
    "conformer-relative": Variant(
        seed=11,
        clips=(640, 1000),
        family="wav2vec2-conformer",
        config=dict(
            hidden_size=16, num_attention_heads=4, intermediate_size=20, conv_dim=(8,) * 4, hidden_act="swish",
            position_embeddings_type="relative", max_source_positions=8, conv_depthwise_kernel_size=5,
            layer_norm_eps=1e-3, **CONFORMER, **FOUR_CONVOLUTIONS,
        ),
        idle=UNREAD_POSITIONS,
    ),
    "conformer-rotary": Variant(
        seed=12,
        clips=(1000, 700),
        family="wav2vec2-conformer",
        config=dict(
            hidden_size=18, num_attention_heads=3, intermediate_size=20, conv_dim=(8, 6, 8, 10),
            feat_extract_norm="layer", conv_bias=True, position_embeddings_type="rotary", rotary_embedding_base=50,
            conv_depthwise_kernel_size=31, **CONFORMER, **FOUR_CONVOLUTIONS,
        ),
        idle=UNREAD_POSITIONS,
        weights="pytorch_model.bin",
        old_names=True,
        dtype=torch.float16,
    ),
    "conformer-none": Variant(
        seed=13,
        clips=(640, 1000),
        family="wav2vec2-conformer",
        config=dict(
            hidden_size=15, num_attention_heads=3, intermediate_size=20, conv_dim=(8,) * 4,
            position_embeddings_type=None, conv_depthwise_kernel_size=3, **(CONFORMER | dict(num_conv_pos_embedding_groups=5)),
            **FOUR_CONVOLUTIONS,
        ),
        idle=UNREAD_POSITIONS,
    ),
    # SEW: two frames at a time, and both clips have an odd number.
    "sew": Variant(
        seed=14,
        clips=(1040, 640),
        family="sew",
        config=dict(
            hidden_size=16, num_attention_heads=4, intermediate_size=20, conv_dim=(8, 6, 8, 10), squeeze_factor=2,
            num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4, classifier_proj_size=10, **FOUR_CONVOLUTIONS,
        ),
    ),
    # The states that are mixed are those of the squeezed frames. No projection, as the widths are one.
    "sew-weighted": Variant(
        seed=15,
        clips=(700, 1000),
        family="sew",
        config=dict(
            hidden_size=16, num_attention_heads=2, intermediate_size=20, conv_dim=(8, 10, 8, 16), squeeze_factor=2,
            feat_extract_norm="layer", conv_bias=True, layer_norm_eps=1e-3, use_weighted_layer_sum=True,
            num_conv_pos_embeddings=7, num_conv_pos_embedding_groups=2, classifier_proj_size=10, **FOUR_CONVOLUTIONS,
        ),
        idle={"sew.encoder.upsample.projection.weight", "sew.encoder.upsample.projection.bias"},
        weights="pytorch_model.bin",
        old_names=True,
        dtype=torch.float16,
    ),
    # Three frames at a time, an odd kernel, and frames beyond the last whole group.
    "sew-odd": Variant(
        seed=16,
        clips=(1040, 660),
        family="sew",
        config=dict(
            hidden_size=16, num_attention_heads=4, intermediate_size=20, conv_dim=(8, 6, 8, 10), squeeze_factor=3,
            num_conv_pos_embeddings=5, num_conv_pos_embedding_groups=4, classifier_proj_size=10, **FOUR_CONVOLUTIONS,
        ),
    ),
    # Distances beyond 4 states share buckets; the clips have up to 12 states.
    "sew-d": Variant(
        seed=17,
        clips=(1040, 640),
        family="sew-d",
        config=dict(
            hidden_size=16, num_attention_heads=4, intermediate_size=20, conv_dim=(8, 6, 8, 10), squeeze_factor=2,
            position_buckets=8, max_position_embeddings=12, feature_layer_norm_eps=1e-3,
            num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4, classifier_proj_size=10, **FOUR_CONVOLUTIONS,
        ),
    ),
    # No buckets, and fewer vectors than there are distances.
    "sew-d-unshared": Variant(
        seed=18,
        clips=(700, 1000),
        family="sew-d",
        config=dict(
            hidden_size=16, num_attention_heads=2, intermediate_size=20, conv_dim=(8, 10, 8, 16), squeeze_factor=2,
            feat_extract_norm="layer", conv_bias=True, hidden_act="relu", share_att_key=False, norm_rel_ebd="none",
            position_buckets=-1, max_position_embeddings=6, use_weighted_layer_sum=True,
            num_conv_pos_embeddings=7, num_conv_pos_embedding_groups=2, classifier_proj_size=10, **FOUR_CONVOLUTIONS,
        ),
        idle={"sew_d.encoder.upsample.projection.weight", "sew_d.encoder.upsample.projection.bias"},
        old_names=True,
        dtype=torch.float16,
    ),
}


def clip(samples: int, rng: np.random.RandomState) -> np.ndarray:
    """A gliding harmonic tone in a little noise, off centre: normalisation has something to do."""
    t = np.arange(samples) / RATE
    pitch = rng.uniform(150, 600)
    x = sum(np.sin(2 * np.pi * pitch * h * (t + 2 * t * t) + rng.uniform(0, 6)) / h for h in (1, 2, 3))
    return (0.2 * x + 0.05 * rng.randn(samples) + 0.03).astype(np.float32)


def randomise(model: nn.Module, seed: int) -> None:
    """Weights large enough for every one of them to matter; the library's own start is too quiet for that."""
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor: torch.Tensor, std: float, mean: float = 0.0) -> None:
        tensor.data.copy_(torch.randn(tensor.shape, generator=generator) * std + mean)

    for module in model.modules():
        norm = isinstance(module, (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d))
        for name, parameter in module.named_parameters(recurse=False):
            if norm:
                normal(parameter, 0.2, 1.0 if name == "weight" else 0.0)
            elif name == "original0":  # weight norm's magnitudes
                normal(parameter, 0.2, 1.2)
            elif name == "weight":
                normal(parameter, 1.5 / parameter[0].numel() ** 0.5)
            else:
                normal(parameter, 1.0 if name in ("original1", "layer_weights", "pos_bias_u", "pos_bias_v") else 0.2)
        if isinstance(module, nn.BatchNorm1d):
            normal(module.running_mean, 0.3)
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
            module.num_batches_tracked.fill_(7)


def old_name(key: str) -> str:
    return key.replace("parametrizations.weight.original0", "weight_g").replace(
        "parametrizations.weight.original1", "weight_v"
    )


def save_checkpoint(model: nn.Module, variant: Variant, folder: Path) -> None:
    """Writes the folder a Hub repository would have, its weights in the variant's form."""
    extractor().save_pretrained(folder)
    model.config.architectures = [type(model).__name__]
    model.config.dtype = variant.dtype
    model.config.save_pretrained(folder)
    weights = {
        old_name(key) if variant.old_names else key: value.to(variant.dtype) if value.is_floating_point() else value
        for key, value in model.state_dict().items()
    }
    if variant.weights.endswith(".bin"):
        torch.save(weights, folder / variant.weights)
    else:
        save_file(weights, folder / variant.weights, metadata={"format": "pt"})


def extractor() -> Wav2Vec2FeatureExtractor:
    return Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)


@torch.no_grad()
def forward(model: nn.Module, inputs: torch.Tensor, mask: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """One evaluation pass and what each stage of it gave."""
    stages, base = {}, model.base_model

    def keep(name: str, module: nn.Module, of: str = "output"):
        def hook(_module, args, output):
            # A copy: the reference zeroes padded frames in place, later, in these very tensors.
            kept = output if of == "output" else args[0]
            # Wav2Vec2's projection gives its input back as well.
            stages[name] = (kept[0] if isinstance(kept, tuple) else kept).clone()

        return module.register_forward_hook(hook)

    hooks = [
        keep("feature_encoder", base.feature_extractor),
        keep("feature_projection", getattr(base, "feature_projection", None) or base.feature_dropout),
        keep("pos_conv_embed", base.encoder.pos_conv_embed),
        keep("pooled", model.classifier, of="input"),
    ]
    out = model(inputs, attention_mask=mask, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    stages |= {f"hidden_states.{i}": state for i, state in enumerate(out.hidden_states)}
    if getattr(model.config, "do_stable_layer_norm", False) or model.config.model_type in OWN_LAST_STATE:
        stages["last_hidden_state"] = base(inputs, attention_mask=mask).last_hidden_state
    if model.config.model_type in SQUEEZED and "pos_conv_embed" in stages:
        # Channels first, and with an odd kernel one more than there are groups of frames.
        stages["pos_conv_embed"] = stages["pos_conv_embed"].transpose(1, 2)[:, : out.hidden_states[0].shape[1]]
    return stages | {"logits": out.logits}


def gradients(folder: Path, inputs: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """The loss in training mode and its gradient by every parameter."""
    model = AutoModelForAudioClassification.from_pretrained(folder, dtype=torch.float32, **NO_CHANCE).train()
    loss = model(inputs, attention_mask=mask, labels=TARGETS).loss
    loss.backward()
    statistics = {f"after.{name}": b for name, b in model.named_buffers() if ".running_" in name}
    return {"loss": loss.detach()} | statistics | {
        f"grad.{name}": p.grad for name, p in model.named_parameters() if p.grad is not None
    }


@torch.no_grad()
def least_effect(model: nn.Module, idle: set[str], inputs: torch.Tensor, mask: torch.Tensor) -> float:
    """The smallest move of the logits when one parameter is zeroed; fails where a parameter is as good as unused."""
    logits = model(inputs, attention_mask=mask).logits
    least = float("inf")
    for name, parameter in model.named_parameters():
        # A bias of the keys adds the same to every score of a query, and softmax takes it out again.
        if name.endswith(("k_proj.bias", "linear_k.bias", "key_proj.bias")) or name in idle:
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
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    labels = dict(id2label=dict(enumerate(LABELS)), label2id={label: i for i, label in enumerate(LABELS)})
    config = CONFIG_MAPPING[variant.family](num_hidden_layers=2, **(NO_CHANCE | variant.config), **labels)
    model = AutoModelForAudioClassification.from_config(config)
    randomise(model, variant.seed)
    save_checkpoint(model, variant, folder)

    # Read back, as f32: what is expected is what the file says, rounding to f16 and renaming included.
    model, report = AutoModelForAudioClassification.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert not any(report.values()), report
    model.eval()

    rng = np.random.RandomState(variant.seed)
    clips = [clip(samples, rng) for samples in variant.clips]
    batch = extractor()(clips, sampling_rate=RATE, padding=True, return_tensors="pt")
    inputs, mask = batch["input_values"], batch["attention_mask"]

    golden = {"input_values": inputs, "attention_mask": mask.to(torch.uint8), "labels": TARGETS}
    golden |= forward(model, inputs, mask)
    unmasked = forward(model, inputs, None)
    golden |= {f"unmasked.{key}": unmasked[key] for key in ("pooled", "logits")}
    for i, samples in enumerate(variant.clips):
        golden[f"alone.{i}.logits"] = forward(model, inputs[i : i + 1, :samples], None)["logits"]
    golden |= gradients(folder, inputs, mask)
    least = least_effect(model, variant.idle, inputs, mask)

    path = out / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in golden.items()}, path)
    kilobytes = sum(p.stat().st_size for p in [path, *folder.iterdir()]) / 1000
    frames = golden["feature_encoder"].shape[-1]
    print(f"{name:15} {frames} frames, {kilobytes:.0f} kB, least effect of a parameter {least:.1e}")


def main() -> None:
    torch.set_num_threads(1)  # the order of a sum is part of its last digit
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent) / "speech"
    shutil.rmtree(out, ignore_errors=True)
    for name, variant in VARIANTS.items():
        make(name, variant, out)


if __name__ == "__main__":
    main()
