"""AST and Whisper goldens: tiny random models and what transformers makes of two spectrograms, stage by stage.

Usage: spectrograms.py [OUT]    (OUT is the folder this script lies in unless given)

README.md lists the files and keys. Every number follows from the seeds below. The name is not `ast.py`, which would stand
before Python's own module of that name.
"""

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from torch import nn
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
)

from speech import LABELS, TARGETS, least_effect, randomise


@dataclass
class Variant:
    """One model: its architecture and the number format of its file."""

    seed: int
    config: dict
    dtype: torch.dtype = torch.float32


AST = {
    # As published: overlapping patches and biases everywhere. 3 x 6 patches, one frame left over.
    "overlapping": Variant(
        seed=11,
        config=dict(
            num_hidden_layers=2, hidden_size=12, num_attention_heads=3, intermediate_size=20, patch_size=4,
            frequency_stride=3, time_stride=3, num_mel_bins=10, max_length=20,
        ),
    ),
    # Strides that differ, no biases of queries, keys and values. `layer_norm_eps` is far from 1e-12.
    "unbiased": Variant(
        seed=12,
        config=dict(
            num_hidden_layers=2, hidden_size=16, num_attention_heads=2, intermediate_size=12, patch_size=5,
            frequency_stride=5, time_stride=2, num_mel_bins=11, max_length=14, qkv_bias=False, hidden_act="relu", layer_norm_eps=1e-3,
        ),
        dtype=torch.float16,
    ),
}

# No decoder is made; its fields are there because every file has them.
NO_DECODER = dict(
    decoder_layers=1,
    decoder_attention_heads=1,
    decoder_ffn_dim=4,
    vocab_size=8,
    max_target_positions=4,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    decoder_start_token_id=3,
    begin_suppress_tokens=None,
)

WHISPER = {
    "last": Variant(
        seed=21,
        config=dict(
            d_model=12, encoder_layers=2, encoder_attention_heads=3, encoder_ffn_dim=20, num_mel_bins=8,
            max_source_positions=15, classifier_proj_size=10, **NO_DECODER,
        ),
    ),
    # ReLU in the feed-forward layers alone: the convolutions keep their GELU.
    "weighted": Variant(
        seed=22,
        config=dict(
            d_model=10, encoder_layers=3, encoder_attention_heads=2, encoder_ffn_dim=16, num_mel_bins=6,
            max_source_positions=12, classifier_proj_size=8, use_weighted_layer_sum=True, activation_function="relu",
            **NO_DECODER,
        ),
        dtype=torch.float16,
    ),
}


def file_name(key: str) -> str:
    """The name that 5.23.0 writes: it renames AST's parameters in memory only."""
    key = re.sub(r"^(audio_spectrogram_transformer)\.layers\.", r"\1.encoder.layer.", key)
    if not key.startswith("audio_spectrogram_transformer.encoder"):
        return key
    for ours, theirs in {
        "attention.q_proj": "attention.attention.query",
        "attention.k_proj": "attention.attention.key",
        "attention.v_proj": "attention.attention.value",
        "attention.o_proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }.items():
        key = key.replace(ours, theirs)
    return key


@torch.no_grad()
def forward(model: nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """One evaluation pass and what each stage of it gave."""
    stages = {}

    def keep(name: str, module: nn.Module, of: str = "output"):
        def hook(_module, args, output):
            stages[name] = (output if of == "output" else args[0]).clone()

        return module.register_forward_hook(hook)

    if isinstance(model, ASTForAudioClassification):
        encoder = model.audio_spectrogram_transformer
        hooks = [keep("patches", encoder.embeddings.patch_embeddings)]
    else:
        encoder = model.encoder
        hooks = [keep("conv1", encoder.conv1), keep("conv2", encoder.conv2)]
    hooks.append(keep("pooled", model.classifier, of="input"))
    out = model(inputs, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    stages |= {f"hidden_states.{i}": state for i, state in enumerate(out.hidden_states)}
    stages["last_hidden_state"] = encoder(inputs).last_hidden_state
    return stages | {"logits": out.logits}


def gradients(model: nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """The loss in training mode, where nothing is random, and its gradient by every parameter."""
    model.train()
    loss = model(inputs, labels=TARGETS).loss
    loss.backward()
    return {"loss": loss.detach()} | {f"grad.{file_name(name)}": p.grad for name, p in model.named_parameters()}


def make(name: str, variant: Variant, classes: tuple, extractor, shape: tuple[int, int], out: Path) -> None:
    folder = out / name
    folder.mkdir(parents=True)
    config_class, model_class = classes
    labels = dict(id2label=dict(enumerate(LABELS)), label2id={label: i for i, label in enumerate(LABELS)})
    model = model_class(config_class(**variant.config, **labels))
    randomise(model, variant.seed)
    model.to(variant.dtype).save_pretrained(folder)
    extractor.save_pretrained(folder)

    # Read back, as f32: what is expected is what the file says, rounding to f16 included.
    model, report = model_class.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(report.values()), report
    model.eval()

    generator = torch.Generator().manual_seed(variant.seed)
    inputs = torch.randn((2, *shape), generator=generator)
    key = extractor.model_input_names[0]
    golden = {key: inputs, "labels": TARGETS} | forward(model, inputs)
    least = least_effect(model, set(), inputs, None)
    golden |= gradients(model, inputs)

    path = out / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in golden.items()}, path)
    kilobytes = sum(p.stat().st_size for p in [path, *folder.iterdir()]) / 1000
    print(f"{out.name}/{name:15} {kilobytes:.0f} kB, least effect of a parameter {least:.1e}")


def main() -> None:
    torch.set_num_threads(1)  # the order of a sum is part of its last digit
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    for model in ("ast", "whisper"):
        shutil.rmtree(out / model, ignore_errors=True)
    for name, variant in AST.items():
        bands, frames = variant.config["num_mel_bins"], variant.config["max_length"]
        extractor = ASTFeatureExtractor(num_mel_bins=bands, max_length=frames)
        make(name, variant, (ASTConfig, ASTForAudioClassification), extractor, (frames, bands), out / "ast")
    for name, variant in WHISPER.items():
        bands, frames = variant.config["num_mel_bins"], 2 * variant.config["max_source_positions"]
        # Whole seconds are the least that the extractor can cut to; the network takes less.
        extractor = WhisperFeatureExtractor(feature_size=bands, chunk_length=1)
        make(name, variant, (WhisperConfig, WhisperForAudioClassification), extractor, (bands, frames), out / "whisper")


if __name__ == "__main__":
    main()
