"""CLAP goldens: two tiny random models and what transformers makes of four sounds and four texts, stage by stage.

Usage: clap.py [OUT]    (OUT is the folder this script lies in unless given)

README.md lists the files and keys. Every number follows from the seeds below.
"""

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import ByteLevelBPETokenizer
from torch import nn
from transformers import ClapConfig, ClapModel, RobertaTokenizerFast

CORPUS = ["This is a sound of a dog barking.", "rain on a window", "It's a siren, isn't it?", "church bells 1 23 456"]
TEXTS = [
    "This is a sound of rain.",
    "it's  a   dog, isn't\tit?!",
    "café ☕ 雨の音",
    "<mask> 3.14 siren </s> trailing ",
]
# Two of these are not to be fused, and one of them stands between those that are.
IS_LONGER = [True, False, True, True]


@dataclass
class Variant:
    """One model: its architecture, its spectrograms, and the way its weights are stored."""

    seed: int
    frames: int
    audio: dict
    text: dict
    top: dict
    weights: str = "model.safetensors"


VARIANTS = {
    # laion/clap-htsat-fused in small: windows shifted in the first stage, one window over everything in the second, whose
    # second block would be shifted otherwise. 63 frames are stretched to 80.
    "fused": Variant(
        seed=1,
        frames=63,
        audio=dict(
            enable_fusion=True, num_mel_bins=5, spec_size=20, patch_size=2, patch_stride=[2, 2], window_size=5,
            depths=[2, 2], num_attention_heads=[2, 3], patch_embeds_hidden_size=6, hidden_size=12, aff_block_r=2,
        ),
        text=dict(hidden_size=12, num_attention_heads=3, intermediate_size=20, max_position_embeddings=40),
        top=dict(projection_dim=10),
    ),
    # Everything that is otherwise there: overlapping patches, no biases, epsilons far from their defaults, a pickle. The
    # spectrograms have as many frames as the image has room for.
    "unfused": Variant(
        seed=2,
        frames=32,
        audio=dict(
            num_mel_bins=8, spec_size=16, patch_size=4, patch_stride=2, window_size=4, depths=[2, 2],
            num_attention_heads=[2, 4], patch_embeds_hidden_size=8, hidden_size=16, qkv_bias=False, mlp_ratio=1.5,
            enable_patch_layer_norm=False, layer_norm_eps=1e-2, hidden_act="relu",
        ),
        text=dict(
            hidden_size=8, num_attention_heads=2, intermediate_size=12, max_position_embeddings=64,
            type_vocab_size=2, layer_norm_eps=1e-2, hidden_act="silu",
        ),
        top=dict(projection_dim=6, projection_hidden_act="gelu"),
        weights="pytorch_model.bin",
    ),
}


def randomise(model: nn.Module, seed: int) -> None:
    """Weights large enough for every one of them to matter; the library's own start is too quiet for that."""
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor: torch.Tensor, std: float, mean: float = 0.0) -> None:
        tensor.data.copy_(torch.randn(tensor.shape, generator=generator) * std + mean)

    for module in model.modules():
        norm = isinstance(module, (nn.LayerNorm, nn.BatchNorm2d))
        for name, parameter in module.named_parameters(recurse=False):
            if norm:
                normal(parameter, 0.2, 1.0 if name == "weight" else 0.0)
            elif name.startswith("logit_scale"):
                normal(parameter, 0.2, 1.5)
            elif isinstance(module, nn.Embedding) or name == "relative_position_bias_table":
                normal(parameter, 1.0)
            elif name == "weight":
                normal(parameter, 1.2 / parameter[0].numel() ** 0.5)
            else:
                normal(parameter, 0.2)
        if isinstance(module, nn.BatchNorm2d):
            normal(module.running_mean, 0.3)
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
            module.num_batches_tracked.fill_(7)


def make_tokenizer(folder: Path) -> RobertaTokenizerFast:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained = ByteLevelBPETokenizer(add_prefix_space=False)
    trained.train_from_iterator(CORPUS * 3, vocab_size=300, min_frequency=2, show_progress=False, special_tokens=special)
    with tempfile.TemporaryDirectory() as files:
        trained.save_model(files)
        merges = (Path(files) / "merges.txt").read_text(encoding="utf-8").splitlines()
    pairs = [tuple(line.split(" ")) for line in merges if line and not line.startswith("#version")]
    tokenizer = RobertaTokenizerFast(vocab=trained.get_vocab(), merges=pairs, add_prefix_space=False)
    # Padding to a length and cutting to a few tokens: a reader must pass over both.
    tokenizer.backend_tokenizer.enable_truncation(5)
    tokenizer.backend_tokenizer.enable_padding(length=20, pad_id=1, pad_token="<pad>")
    folder.mkdir(parents=True)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def spectrograms(variant: Variant) -> torch.Tensor:
    """Gliding bands in noise, in dB; four views that differ, as those of a long clip do."""
    generator = torch.Generator().manual_seed(variant.seed)
    views, bins = 4 if variant.audio.get("enable_fusion") else 1, variant.audio["num_mel_bins"]
    shape = (len(TEXTS), views, variant.frames, bins)
    time = torch.arange(variant.frames)[:, None] / variant.frames
    pitch = torch.rand(shape[:2], generator=generator)[..., None, None] * bins
    band = -((torch.arange(bins) - pitch - 2 * torch.sin(7 * time)) ** 2)
    return 0.3 * band + torch.randn(shape, generator=generator)


def stages(model: ClapModel, features: torch.Tensor, longer: torch.Tensor, tokens: dict) -> dict[str, torch.Tensor]:
    """One evaluation pass and what each stage of it gave."""
    kept = {}

    def keep(name: str, module: nn.Module, of=lambda _args, output: output):
        def hook(_module, args, output):
            kept[name] = of(args, output).clone()

        return module.register_forward_hook(hook)

    audio, text = model.audio_model.audio_encoder, model.text_model
    hooks = [
        keep("image", audio.patch_embed, of=lambda args, _output: args[0]),
        keep("patches", audio.patch_embed),
        keep("text_embeddings", text.embeddings),
    ]
    hooks += [keep(f"stages.{i}", stage, of=lambda _, out: out[0]) for i, stage in enumerate(audio.layers)]
    hooks += [keep(f"text_layers.{i}", layer) for i, layer in enumerate(text.encoder.layer)]
    with torch.no_grad():
        out = model(input_features=features, is_longer=longer, **tokens)
        audio_features = model.get_audio_features(input_features=features, is_longer=longer).pooler_output
        text_features = model.get_text_features(**tokens).pooler_output
    for hook in hooks:
        hook.remove()
    return kept | {
        "audio_pooled": out.audio_model_output.pooler_output,
        "text_pooled": out.text_model_output.pooler_output,
        "audio_features": audio_features,
        "text_features": text_features,
        "logits_per_audio": out.logits_per_audio,
        "logits_per_text": out.logits_per_text,
    }


def gradients(folder: Path, features: torch.Tensor, longer: torch.Tensor, tokens: dict) -> dict[str, torch.Tensor]:
    """The contrastive loss in training mode and its gradient by every parameter."""
    model = ClapModel.from_pretrained(folder, dtype=torch.float32).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    for layer in model.text_model.encoder.layer:
        layer.attention.self.attention_dropout = 0.0
    loss = model(input_features=features, is_longer=longer, return_loss=True, **tokens).loss
    loss.backward()
    return {"loss": loss.detach()} | {f"grad.{name}": p.grad for name, p in model.named_parameters()}


@torch.no_grad()
def least_effect(model: nn.Module, features: torch.Tensor, longer: torch.Tensor, tokens: dict) -> float:
    """The smallest move of the logits when one parameter is zeroed; fails where a parameter is as good as unused."""

    def run() -> torch.Tensor:
        out = model(input_features=features, is_longer=longer, **tokens)
        return torch.stack([out.logits_per_audio, out.logits_per_text.t()])

    logits, least = run(), float("inf")
    for name, parameter in model.named_parameters():
        # A bias of the keys adds the same to every score of a query, and softmax takes it out again.
        if name.endswith("key.bias"):
            continue
        kept = parameter.clone()
        parameter.zero_()
        moved = (run() - logits).abs().nan_to_num(torch.inf).max().item()
        parameter.copy_(kept)
        assert moved > 1e-3, f"zeroing {name} moves the logits by {moved:.1e} only"
        least = min(least, moved)
    return least


def error_of_f32(model: nn.Module, golden: dict, features: torch.Tensor, longer: torch.Tensor, tokens: dict) -> float:
    """How far the reference itself is from what it gives in F64."""
    exact = stages(model.double(), features.double(), longer, tokens)
    return max((exact[key] - golden[key].double()).abs().max().item() for key in exact)


def make(name: str, variant: Variant, out: Path) -> None:
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    tokenizer = make_tokenizer(folder)
    config = ClapConfig(
        text_config=dict(vocab_size=len(tokenizer), num_hidden_layers=2, **variant.text),
        audio_config=variant.audio,
        **variant.top,
    )
    model = ClapModel(config)
    randomise(model, variant.seed)
    config.architectures = ["ClapModel"]
    config.dtype = torch.float32
    config.save_pretrained(folder)
    if variant.weights.endswith(".bin"):
        torch.save(model.state_dict(), folder / variant.weights)
    else:
        save_file(model.state_dict(), folder / variant.weights, metadata={"format": "pt"})

    model, report = ClapModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(report.values()), report
    model.eval()

    features, longer = spectrograms(variant), torch.tensor(IS_LONGER)[:, None]
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    tokens = {key: batch[key] for key in ("input_ids", "attention_mask")}
    assert tokens["input_ids"].shape[1] > 20, "no longer than tokenizer.json would pad or cut it to"

    golden = {"input_features": features, "is_longer": longer.to(torch.uint8)}
    golden |= {key: value.to(torch.int32) for key, value in tokens.items()}
    golden |= stages(model, features, longer, tokens)
    golden |= gradients(folder, features, longer, tokens)
    least = least_effect(model, features, longer, tokens)
    error = error_of_f32(model, golden, features, longer, tokens)

    path = out / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in golden.items()}, path)
    kilobytes = sum(p.stat().st_size for p in [path, *folder.iterdir()]) / 1000
    print(f"{name:8} {kilobytes:.0f} kB, least effect of a parameter {least:.1e}, error of F32 {error:.1e}")


def main() -> None:
    torch.set_num_threads(1)  # the order of a sum is part of its last digit
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent) / "clap"
    shutil.rmtree(out, ignore_errors=True)
    for name, variant in VARIANTS.items():
        make(name, variant, out)


if __name__ == "__main__":
    main()
