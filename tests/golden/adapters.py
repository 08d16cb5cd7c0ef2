"""Goldens of encoders with adapters: tiny random models without a head and what transformers makes of two clips.

Usage: adapters.py [OUT]    (OUT is the folder this script lies in unless given)

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
from transformers import AutoModel, CONFIG_MAPPING, SeamlessM4TFeatureExtractor, Wav2Vec2FeatureExtractor

from speech import CONFORMER, FOUR_CONVOLUTIONS, NO_CHANCE, RATE, clip, randomise

MELS = 6


@dataclass
class Variant:
    """One model: its architecture and its clips."""

    seed: int
    clips: tuple[int, int]  # lengths in samples
    family: str  # the model_type
    config: dict
    idle: set[str] = field(default_factory=set)  # parameters that nothing is made of, beside the key biases


SPEECH = dict(
    hidden_size=16, num_attention_heads=4, intermediate_size=20, conv_dim=(8,) * 4, num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=4, **FOUR_CONVOLUTIONS,
)
BERT = dict(
    hidden_size=16, num_attention_heads=4, intermediate_size=20, conv_depthwise_kernel_size=5, conformer_conv_dropout=0.0,
    left_max_position_embeddings=6, right_max_position_embeddings=2, feature_projection_input_dim=2 * MELS,
)
UNREAD_POSITIONS = {
    f"encoder.pos_conv_embed.conv.{name}"
    for name in ("bias", "parametrizations.weight.original0", "parametrizations.weight.original1")
}
VARIANTS = {
    # As published, and narrower than the encoder.
    "wav2vec2": Variant(
        seed=61, clips=(1500, 1000), family="wav2vec2",
        config=SPEECH | dict(add_adapter=True, output_hidden_size=12),
    ),
    # MMS: a network of a language in each layer.
    "languages": Variant(
        seed=62, clips=(1000, 1400), family="wav2vec2",
        config=SPEECH | dict(
            feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True, adapter_attn_dim=5,
        ),
    ),
    # Another kernel, of which the reference does not know when it counts frames.
    "wav2vec2-conformer": Variant(
        seed=63, clips=(1400, 1000), family="wav2vec2-conformer",
        config=SPEECH | {key: value for key, value in CONFORMER.items() if "positions" in key or "dropout" in key}
        | dict(
            position_embeddings_type="relative", conv_depthwise_kernel_size=5, add_adapter=True, num_adapter_layers=2,
            adapter_kernel_size=5, adapter_stride=3,
        ),
        idle=UNREAD_POSITIONS,
    ),
    "wav2vec2-bert": Variant(
        seed=64, clips=(9000, 6050), family="wav2vec2-bert",
        config=BERT | dict(add_adapter=True, num_adapter_layers=2, output_hidden_size=12),
    ),
    "wav2vec2-bert-ffn": Variant(
        seed=65, clips=(6050, 9000), family="wav2vec2-bert",
        config=BERT | dict(
            add_adapter=True, use_intermediate_ffn_before_adapter=True, adapter_kernel_size=8, adapter_stride=8, adapter_act="gelu",
            layer_norm_eps=1e-3,
        ),
    ),
}


def extractor(variant: Variant) -> object:
    if variant.family == "wav2vec2-bert":
        return SeamlessM4TFeatureExtractor(num_mel_bins=MELS, feature_size=MELS, padding_value=1.0)
    return Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)


@torch.no_grad()
def last(model: nn.Module, inputs: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return model(inputs, attention_mask=mask).last_hidden_state


@torch.no_grad()
def least_effect(model: nn.Module, idle: set[str], inputs: torch.Tensor, mask: torch.Tensor) -> float:
    """The smallest move of the last state when one parameter is zeroed; fails where a parameter is as good as unused."""
    before, least = last(model, inputs, mask), float("inf")
    for name, parameter in model.named_parameters():
        # A bias of the keys adds the same to every score of a query, and softmax takes it out again. With the last layer's norm
        # zeroed a softmax has nothing to weigh.
        if name.endswith(("k_proj.bias", "linear_k.bias")) or name in idle:
            continue
        kept = parameter.clone()
        parameter.zero_()
        moved = (last(model, inputs, mask) - before).abs().nan_to_num(torch.inf).max().item()
        parameter.copy_(kept)
        assert moved > 1e-3, f"zeroing {name} moves the last state by {moved:.1e} only"
        least = min(least, moved)
    return least


def make(name: str, variant: Variant, out: Path) -> None:
    folder = out / name
    folder.mkdir(parents=True)
    model = AutoModel.from_config(CONFIG_MAPPING[variant.family](num_hidden_layers=2, **(NO_CHANCE | variant.config)))
    randomise(model, variant.seed)
    extract = extractor(variant)
    extract.save_pretrained(folder)
    model.eval().save_pretrained(folder)

    rng = np.random.RandomState(variant.seed)
    clips = [clip(samples, rng) for samples in variant.clips]
    batch = extract(clips, sampling_rate=RATE, padding=True, return_tensors="pt")
    inputs, mask = batch[model.main_input_name], batch["attention_mask"]
    golden = {model.main_input_name: inputs, "attention_mask": mask.to(torch.uint8)}
    golden["last_hidden_state"] = last(model, inputs, mask)
    states = model(inputs, attention_mask=mask, output_hidden_states=True).hidden_states
    golden |= {f"hidden_states.{i}": state.detach() for i, state in enumerate(states)}
    for i, samples in enumerate(clips):
        golden[f"clip.{i}"] = torch.from_numpy(samples)
        alone = extract(samples, sampling_rate=RATE, return_tensors="pt")
        golden[f"alone.{i}.last_hidden_state"] = last(model, alone[model.main_input_name], alone["attention_mask"])
    least = least_effect(model, variant.idle, inputs, mask)
    path = out / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in golden.items()}, path)
    kilobytes = sum(p.stat().st_size for p in [path, *folder.iterdir()]) / 1000
    frames = golden["hidden_states.0"].shape[1], golden["last_hidden_state"].shape[1]
    print(f"{name:20} {kilobytes:.0f} kB, {frames[0]} frames to {frames[1]}, least effect of a parameter {least:.1e}")


def main() -> None:
    torch.set_num_threads(1)  # the order of a sum is part of its last digit
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent) / "adapters"
    shutil.rmtree(out, ignore_errors=True)
    for name, variant in VARIANTS.items():
        make(name, variant, out)


if __name__ == "__main__":
    main()
