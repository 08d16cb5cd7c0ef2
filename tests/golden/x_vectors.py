"""Goldens of speaker-embedding models: tiny random `*ForXVector` models and what transformers makes of two clips.

Usage: x_vectors.py [OUT]    (OUT is the folder this script lies in unless given)

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
from transformers import AutoModelForAudioXVector, CONFIG_MAPPING, SeamlessM4TFeatureExtractor, Wav2Vec2FeatureExtractor

from speech import CONFORMER, FOUR_CONVOLUTIONS, NO_CHANCE, RATE, UNREAD_POSITIONS, clip, randomise

# The last layer sees frames that are 3 apart, and all of them 10 frames.
TDNN = dict(tdnn_dim=(7, 6, 8, 9), tdnn_kernel=(3, 3, 2, 1), tdnn_dilation=(1, 2, 3, 1), xvector_output_dim=12)
MELS = 6
# What only training reads.
IDLE = {"classifier.weight", "classifier.bias", "objective.weight"}


@dataclass
class Variant:
    """One model: its architecture, its clips, and the number format of its file."""

    seed: int
    clips: tuple[int, int]  # lengths in samples
    family: str  # the model_type
    config: dict
    dtype: torch.dtype = torch.float32
    mask: bool = True  # whether the extractor makes one
    idle: set[str] = field(default_factory=set)  # parameters that cannot move an x-vector, beside the key biases


SPEECH = dict(
    hidden_size=16, num_attention_heads=4, intermediate_size=20, conv_dim=(8,) * 4, num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=4, **FOUR_CONVOLUTIONS,
)
VARIANTS = {
    # A base model, as published: no mask, and a weighted sum of the layers.
    "wavlm": Variant(
        seed=75, clips=(1400, 1000), family="wavlm", mask=False,
        config=SPEECH | dict(num_buckets=16, max_bucket_distance=14, use_weighted_layer_sum=True),
    ),
    # A large one.
    "wav2vec2": Variant(
        seed=52, clips=(1000, 1500), family="wav2vec2",
        config=SPEECH | dict(feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True),
        dtype=torch.float16,
    ),
    # No dilation: then a padded clip has the x-vector that it has alone.
    "undilated": Variant(
        seed=53, clips=(1500, 900), family="wav2vec2",
        config=SPEECH | dict(feat_extract_norm="layer", tdnn_dilation=(1, 1, 1, 1)),
    ),
    "unispeech-sat": Variant(
        seed=54, clips=(1400, 1300), family="unispeech-sat", config=SPEECH | dict(use_weighted_layer_sum=True),
        idle={"unispeech_sat.masked_spec_embed"},
    ),
    "data2vec-audio": Variant(
        seed=55, clips=(1100, 1400), family="data2vec-audio",
        config=SPEECH | dict(num_conv_pos_embeddings=2, conv_pos_kernel_size=5),
    ),
    "wav2vec2-conformer": Variant(
        seed=56, clips=(1400, 1200), family="wav2vec2-conformer",
        config=SPEECH | {key: value for key, value in CONFORMER.items() if "positions" in key or "dropout" in key}
        | dict(position_embeddings_type="relative", conv_depthwise_kernel_size=5),
        idle=UNREAD_POSITIONS,
    ),
    # Two layers that take every second frame.
    "adapter": Variant(
        seed=58, clips=(4100, 3200), family="wav2vec2",
        config=SPEECH | dict(add_adapter=True, num_adapter_layers=2),
    ),
    # An odd number of rows: the extractor fills the last pair up and masks it.
    "wav2vec2-bert": Variant(
        seed=57, clips=(6000, 4650), family="wav2vec2-bert",
        config=dict(
            hidden_size=16, num_attention_heads=4, intermediate_size=20, conv_depthwise_kernel_size=5,
            left_max_position_embeddings=6, right_max_position_embeddings=2, feature_projection_input_dim=2 * MELS,
            conformer_conv_dropout=0.0, use_weighted_layer_sum=True,
        ),
    ),
}


def extractor(variant: Variant) -> object:
    if variant.family == "wav2vec2-bert":
        return SeamlessM4TFeatureExtractor(num_mel_bins=MELS, feature_size=MELS, padding_value=1.0)
    return Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=variant.mask)


@torch.no_grad()
def embeddings(model: nn.Module, inputs: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return model(inputs, attention_mask=mask).embeddings


@torch.no_grad()
def least_effect(model: nn.Module, idle: set[str], inputs: torch.Tensor, mask: torch.Tensor | None) -> float:
    """The smallest move of an x-vector when one parameter is zeroed; fails where a parameter is as good as unused."""
    before, least = embeddings(model, inputs, mask), float("inf")
    for name, parameter in model.named_parameters():
        # A bias of the keys adds the same to every score of a query, and softmax takes it out again.
        if name.endswith(("k_proj.bias", "linear_k.bias")) or name in idle | IDLE:
            continue
        kept = parameter.clone()
        parameter.zero_()
        moved = (embeddings(model, inputs, mask) - before).abs().nan_to_num(torch.inf).max().item()
        parameter.copy_(kept)
        assert moved > 1e-3, f"zeroing {name} moves an x-vector by {moved:.1e} only"
        least = min(least, moved)
    return least


def make(name: str, variant: Variant, out: Path) -> None:
    folder = out / name
    folder.mkdir(parents=True)
    config = CONFIG_MAPPING[variant.family](num_hidden_layers=2, **(TDNN | NO_CHANCE | variant.config))
    model = AutoModelForAudioXVector.from_config(config)
    randomise(model, variant.seed)
    extract = extractor(variant)
    extract.save_pretrained(folder)
    model.config.architectures = [type(model).__name__]
    model.config.dtype = variant.dtype
    model.config.save_pretrained(folder)
    weights = {k: v.to(variant.dtype) if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    # Read back, as f32: what is expected is what the file says, rounding to f16 included.
    model, report = AutoModelForAudioXVector.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(report.values()), report
    model.eval()

    rng = np.random.RandomState(variant.seed)
    clips = [clip(samples, rng) for samples in variant.clips]
    batch = extract(clips, sampling_rate=RATE, padding=True, return_tensors="pt", return_attention_mask=True)
    inputs, mask = batch[model.main_input_name], batch["attention_mask"]
    golden = {model.main_input_name: inputs, "attention_mask": mask.to(torch.uint8)}
    golden["embeddings"] = embeddings(model, inputs, mask)
    golden["unmasked.embeddings"] = embeddings(model, inputs, None)
    states = model(inputs, attention_mask=mask, output_hidden_states=True).hidden_states
    golden |= {f"hidden_states.{i}": state.detach() for i, state in enumerate(states)}
    apart = []
    for i, samples in enumerate(clips):
        golden[f"clip.{i}"] = torch.from_numpy(samples)
        alone = extract(samples, sampling_rate=RATE, return_tensors="pt")
        golden[f"alone.{i}.embeddings"] = embeddings(model, alone[model.main_input_name], alone.get("attention_mask"))
        apart.append((golden[f"alone.{i}.embeddings"][0] - golden["embeddings"][i]).abs().max().item())
    least = least_effect(model, variant.idle, inputs, mask)
    path = out / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in golden.items()}, path)
    kilobytes = sum(p.stat().st_size for p in [path, *folder.iterdir()]) / 1000
    print(
        f"{name:20} {kilobytes:.0f} kB, least effect of a parameter {least:.1e}, padded and alone are "
        + " and ".join(f"{x:.1e}" for x in apart) + " apart"
    )


def main() -> None:
    torch.set_num_threads(1)  # the order of a sum is part of its last digit
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent) / "x_vectors"
    shutil.rmtree(out, ignore_errors=True)
    for name, variant in VARIANTS.items():
        make(name, variant, out)


if __name__ == "__main__":
    main()
