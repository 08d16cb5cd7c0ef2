"""CED goldens: tiny random models and what the authors' code makes of a few clips, stage by stage.

Usage: CED_SOURCE=DIR ced.py [OUT]    (OUT is the folder this script lies in unless given)

transformers has no CED: checkpoints run by code of their authors (Apache 2.0), of which DIR is a copy at the commit that COMMIT names:

    git clone https://github.com/jimbozhang/hf_transformers_custom_model_ced DIR && git -C DIR checkout COMMIT

Without CED_SOURCE nothing is made, and that is said.

README.md lists the files and keys. Every number follows from the seeds below.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from torch import nn

from speech import RATE, TARGETS, clip, randomise

COMMIT = "1a9cd46"
LABELS = 3


@dataclass
class Variant:
    """One model: its architecture, its clips, and the number format of its file."""

    seed: int
    clips: tuple[int, ...]  # lengths in samples
    config: dict
    extractor: dict
    dtype: torch.dtype = torch.float32


VARIANTS = {
    # As published, in small. No clip is longer than a window, one makes an odd number of patches, and one is as short as can be.
    "short": Variant(
        seed=71, clips=(9000, 14_000, 2400), config=dict(embed_dim=24, num_heads=3, target_length=96), extractor=dict(f_max=8000),
    ),
    # A clip of one window, of two and a bit, and of exactly two, of which the reference leaves the last out.
    "windows": Variant(
        seed=72, clips=(7000, 17_000, 15_200), config=dict(embed_dim=16, num_heads=4, target_length=48, mlp_ratio=1.5, pooling="logit"),
        extractor=dict(f_min=50, f_max=7000, win_size=400),
        dtype=torch.float16,
    ),
    # What is left behind the last window is left out; patches overlap by one frame; 40 bands.
    "cut": Variant(
        seed=73, clips=(20_000, 9000), config=dict(
            embed_dim=16, num_heads=2, target_length=80, pad_last=False, qkv_bias=False, n_mels=40, patch_size=8, patch_stride=7,
        ),
        extractor=dict(feature_size=40, hop_size=128, n_fft=256, win_size=256),
    ),
}


def randomise_all(model: nn.Module, seed: int) -> None:
    randomise(model, seed)
    generator, norm = torch.Generator().manual_seed(seed), model.encoder.init_bn
    bands = len(norm.weight)
    for tensor, mean, std in ((norm.weight, 1.0, 0.2), (norm.bias, 0.0, 0.2), (norm.running_mean, -30.0, 5.0)):
        tensor.data.copy_(torch.randn(bands, generator=generator) * std + mean)
    norm.running_var.copy_(torch.rand(bands, generator=generator) * 200 + 100)
    norm.num_batches_tracked.fill_(7)


def by_time(state: torch.Tensor, bands: int, clips: int) -> torch.Tensor:
    """Patches of windows, in the reference's order of bands, to those of clips in ours: all bands of a time, then the next time."""
    windows, patches, width = state.shape
    state = state.reshape(windows, bands, patches // bands, width).transpose(1, 2)
    return state.reshape(clips, -1, width)


def forward(model: nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """One pass and what each stage of it gave."""
    stages, bands, clips = {}, model.encoder.patch_embed.grid_size[0], len(inputs)

    def keep(name: str, module: nn.Module, of_input: bool = False):
        return module.register_forward_hook(lambda _, args, output: stages.__setitem__(name, args[0] if of_input else output))

    blocks = model.encoder.blocks
    hooks = [keep(f"hidden_states.{i}", block, of_input=True) for i, block in enumerate(blocks)]
    hooks += [keep(f"hidden_states.{len(blocks)}", blocks[-1]), keep("last_hidden_state", model.encoder.norm)]
    hooks.append(keep("logits", model.outputlayer))
    answer = model(inputs).logits
    for hook in hooks:
        hook.remove()
    logits = stages.pop("logits")
    return {key: by_time(state, bands, clips) for key, state in stages.items()} | {"logits": logits, "answer": answer}


def gradients(model: nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """The loss in training mode and its gradient by every parameter."""
    model.train()
    loss = nn.functional.cross_entropy(forward(model, inputs)["logits"], TARGETS)
    loss.backward()
    statistics = {f"after.{name}": b for name, b in model.named_buffers() if ".running_" in name}
    return {"loss": loss.detach()} | statistics | {f"grad.{name}": p.grad for name, p in model.named_parameters()}


@torch.no_grad()
def least_effect(model: nn.Module, inputs: torch.Tensor) -> float:
    """The smallest move of the logits when one parameter is zeroed; fails where a parameter is as good as unused."""
    logits, least = forward(model, inputs)["logits"], float("inf")
    for name, parameter in model.named_parameters():
        kept = parameter.clone()
        parameter.zero_()
        moved = (forward(model, inputs)["logits"] - logits).abs().nan_to_num(torch.inf).max().item()
        parameter.copy_(kept)
        assert moved > 1e-3, f"zeroing {name} moves the logits by {moved:.1e} only"
        least = min(least, moved)
    return least


def make(name: str, variant: Variant, out: Path) -> None:
    from ced_model.configuration_ced import CedConfig
    from ced_model.feature_extraction_ced import CedFeatureExtractor
    from ced_model.modeling_ced import CedForAudioClassification

    folder = out / name
    folder.mkdir(parents=True)
    model = CedForAudioClassification(CedConfig(depth=2, outputdim=LABELS, **variant.config))
    randomise_all(model, variant.seed)
    extract = CedFeatureExtractor(**variant.extractor)
    extract.save_pretrained(folder)
    model.to(variant.dtype).save_pretrained(folder)
    # Read back, as f32: what is expected is what the file says, rounding to f16 included.
    model, report = CedForAudioClassification.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(report.values()), report
    model.eval()

    rng = np.random.RandomState(variant.seed)
    golden = {}
    for i, samples in enumerate(variant.clips):
        # A clip that falls silent: its last frames are at the floor.
        wave = clip(samples, rng) * (np.arange(samples) < 0.9 * samples)
        wave = wave.astype(np.float32)
        inputs = extract(wave, sampling_rate=RATE)["input_values"]
        with torch.no_grad():
            stages = forward(model, inputs)
        golden |= {f"clip.{i}": torch.from_numpy(wave), f"alone.{i}.input_values": inputs}
        golden |= {f"alone.{i}.{key}": value for key, value in stages.items()}
    longest = golden["alone.0.input_values"]
    batch = torch.cat([longest, longest.flip(-1) * 0.9])
    golden["input_values"] = batch
    with torch.no_grad():
        # Of a batch of long clips the reference mixes the windows up.
        if batch.shape[-1] <= model.config.target_length:
            golden |= {key: value for key, value in forward(model, batch).items() if key in ("logits", "last_hidden_state")}
    least = least_effect(model, batch[:1])
    if batch.shape[-1] <= model.config.target_length:
        golden |= gradients(model, batch) | {"labels": TARGETS}
    path = out / f"{name}.safetensors"
    save_file({key: value.contiguous().clone() for key, value in golden.items()}, path)
    kilobytes = sum(p.stat().st_size for p in [path, *folder.iterdir()]) / 1000
    frames = [golden[f"alone.{i}.input_values"].shape[-1] for i in range(len(variant.clips))]
    print(f"{name:10} {frames} frames, {kilobytes:.0f} kB, least effect of a parameter {least:.1e}")


def main() -> None:
    source = os.environ.get("CED_SOURCE")
    if not source:
        print(f"CED_SOURCE is not set: the goldens of CED stay as they are (see {Path(__file__).name})")
        return
    sys.path.insert(0, source)
    torch.set_num_threads(1)  # the order of a sum is part of its last digit
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent) / "ced"
    shutil.rmtree(out, ignore_errors=True)
    for name, variant in VARIANTS.items():
        make(name, variant, out)


if __name__ == "__main__":
    main()
