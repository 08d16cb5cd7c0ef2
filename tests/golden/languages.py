"""Whisper's identification of languages: tiny random whole Whispers, and what `detect_language` of transformers makes of spectrograms.

Usage: languages.py [OUT]    (OUT is the folder this script lies in unless given)

README.md lists the files and keys. Every number follows from the seeds below.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from speech import randomise


@dataclass
class Variant:
    """One model: its architecture, the tokens of its languages, and the number format of its file."""

    seed: int
    config: dict
    start: int
    languages: dict
    dtype: torch.dtype = torch.float32


SPECIAL = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2, begin_suppress_tokens=None, suppress_tokens=None)

VARIANTS = {
    # As published: logits are products with the embeddings. The order of the list is not that of the tokens. Its extractor
    # makes what it takes, so that it can be run from sounds.
    "tied": Variant(
        seed=36,
        config=dict(
            d_model=12, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=20, decoder_layers=2,
            decoder_attention_heads=3, decoder_ffn_dim=16, num_mel_bins=6, max_source_positions=50, max_target_positions=4,
            vocab_size=24, **SPECIAL,
        ),
        start=9,
        languages={"<|de|>": 14, "<|en|>": 11, "<|haw|>": 12, "<|yue|>": 20},
    ),
    "untied": Variant(
        seed=36,
        config=dict(
            d_model=10, encoder_layers=1, encoder_attention_heads=5, encoder_ffn_dim=12, decoder_layers=1,
            decoder_attention_heads=2, decoder_ffn_dim=20, num_mel_bins=8, max_source_positions=12, max_target_positions=3,
            vocab_size=17, activation_function="relu", tie_word_embeddings=False, scale_embedding=True, **SPECIAL,
        ),
        start=3,
        languages={"<|fr|>": 5, "<|es|>": 4, "<|sw|>": 16},
        dtype=torch.float16,
    ),
}


@torch.no_grad()
def make(name: str, variant: Variant, out: Path) -> None:
    folder = out / name
    folder.mkdir(parents=True)
    model = WhisperForConditionalGeneration(WhisperConfig(decoder_start_token_id=variant.start, **variant.config))
    randomise(model, variant.seed)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=variant.start, lang_to_id=variant.languages, is_multilingual=True, **SPECIAL
    )
    model.to(variant.dtype).save_pretrained(folder)
    bands, frames = variant.config["num_mel_bins"], 2 * variant.config["max_source_positions"]
    # Whole seconds are the least that the extractor can cut to; the network takes less.
    WhisperFeatureExtractor(feature_size=bands, chunk_length=1).save_pretrained(folder)

    # Read back, as f32: what is expected is what the file says, rounding to f16 included.
    model, report = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(report.values()), report
    model.eval()

    # Loud, middling and quiet, for attention takes the mean of much and noise alone always has the same.
    inputs = torch.randn((3, bands, frames), generator=torch.Generator().manual_seed(variant.seed))
    inputs += torch.tensor([2.0, 0.0, -2.0]).reshape(3, 1, 1)
    start = torch.full((len(inputs), 1), variant.start)
    given = model(inputs, decoder_input_ids=start, output_hidden_states=True, use_cache=False)
    tokens = sorted(variant.languages.values())
    logits = given.logits[:, -1, tokens]
    golden = {
        "input_features": inputs,
        "encoder": given.encoder_last_hidden_state,
        "hidden": given.decoder_hidden_states[-1][:, 0],
        "logits": logits,
        "probabilities": logits.softmax(-1),
        "detected": model.detect_language(inputs, num_segment_frames=frames).float(),
    }
    path = out / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in golden.items()}, path)

    # Every parameter matters but those of queries and keys over a single token, which softmax makes 1 of.
    least = float("inf")
    for key, parameter in model.named_parameters():
        if ".decoder." in key and any(part in key for part in ("self_attn.q_proj", "self_attn.k_proj")):
            continue
        kept = parameter.clone()
        parameter.zero_()
        moved = model(inputs, decoder_input_ids=start, use_cache=False).logits[:, -1, tokens] - logits
        parameter.copy_(kept)
        assert moved.abs().max() > 1e-3, key
        least = min(least, moved.abs().max().item())
    kilobytes = sum(p.stat().st_size for p in [path, *folder.iterdir()]) / 1000
    print(f"{name:8} {kilobytes:.0f} kB, detected {golden['detected'].tolist()}, least effect of a parameter {least:.1e}")


def main() -> None:
    torch.set_num_threads(1)  # the order of a sum is part of its last digit
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent) / "languages"
    shutil.rmtree(out, ignore_errors=True)
    for name, variant in VARIANTS.items():
        make(name, variant, out)


if __name__ == "__main__":
    main()
