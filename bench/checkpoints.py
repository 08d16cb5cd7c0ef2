"""Random checkpoints of the published sizes, made by transformers: nothing is downloaded.

Only functions import transformers: who wants a name or a length pays for no library.
"""

import json
from pathlib import Path
from typing import Any

# How long the clip of a model's usual row is, in seconds.
SECONDS = {
    "distilhubert": 5.0,
    "wav2vec2-base": 5.0,
    "xls-r-300m": 5.0,
    "ast-base": 10.24,  # 1024 frames
    "whisper-base": 30.0,
    "whisper-medium": 30.0,
    "clap-htsat": 10.0,
}


def speech(name: str) -> Any:
    """A HuBERT or Wav2Vec2 classifier, as the published config has it."""
    from transformers import HubertConfig, HubertForSequenceClassification, Wav2Vec2Config, Wav2Vec2ForSequenceClassification

    if name == "tiny":  # for what is no arithmetic: starting, reading, printing
        small = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, conv_dim=[32] * 7)
        small |= dict(num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, classifier_proj_size=32, num_labels=10)
        return HubertForSequenceClassification(HubertConfig(**small))
    if name == "distilhubert":  # ntu-spml/distilhubert
        config = HubertConfig(
            num_hidden_layers=2, feat_proj_layer_norm=False, layerdrop=0.0, apply_spec_augment=False, num_labels=10
        )
        return HubertForSequenceClassification(config)
    if name == "wav2vec2-base":  # facebook/wav2vec2-base
        return Wav2Vec2ForSequenceClassification(Wav2Vec2Config(num_labels=14))
    # facebook/wav2vec2-xls-r-300m
    config = Wav2Vec2Config(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
        feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True, num_labels=14,
    )
    return Wav2Vec2ForSequenceClassification(config)


def whisper(name: str) -> Any:
    from transformers import WhisperConfig, WhisperForAudioClassification

    if name == "whisper-base":  # openai/whisper-base
        size = dict(d_model=512, encoder_layers=6, encoder_attention_heads=8, encoder_ffn_dim=2048)
    else:  # sanchit-gandhi/whisper-medium-fleurs-lang-id
        size = dict(d_model=1024, encoder_layers=24, encoder_attention_heads=16, encoder_ffn_dim=4096)
    return WhisperForAudioClassification(WhisperConfig(**size, num_labels=102))


def build(name: str) -> tuple[Any, Any]:
    """The model and its feature extractor."""
    from transformers import (
        ASTConfig, ASTFeatureExtractor, ASTForAudioClassification, ClapConfig, ClapFeatureExtractor, ClapModel,
        Wav2Vec2FeatureExtractor, WhisperFeatureExtractor,
    )

    if name.startswith("whisper"):
        return whisper(name), WhisperFeatureExtractor()
    if name == "ast-base":  # MIT/ast-finetuned-audioset-10-10-0.4593
        return ASTForAudioClassification(ASTConfig(num_labels=527)), ASTFeatureExtractor()
    if name == "clap-htsat":  # laion/clap-htsat-unfused
        text = dict(vocab_size=50265, max_position_embeddings=514)
        extractor = ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad", frequency_min=50)
        return ClapModel(ClapConfig(text_config=text, projection_dim=512)), extractor
    return speech(name), Wav2Vec2FeatureExtractor(return_attention_mask=name == "xls-r-300m")


def tokenizer_json() -> str:
    """The smallest tokenizer that CLAP can be opened with; no text is read here."""
    from tokenizers import Tokenizer, models

    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    return Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>")).to_str()


def make(name: str, folder: Path) -> None:
    """Makes the checkpoint, unless it is there."""
    import torch

    if (folder / "model.safetensors").exists():
        return
    torch.manual_seed(0)
    model, extractor = build(name)
    extractor.save_pretrained(folder)
    if name.startswith("clap"):
        (folder / "tokenizer.json").write_text(tokenizer_json())
    model.save_pretrained(folder)  # Last: its file says that all is there.


def config(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text())


def load(folder: Path, **options: Any) -> Any:
    """The model in f32, ready to be asked."""
    from transformers import AutoModelForAudioClassification, ClapModel

    kind = ClapModel if config(folder)["model_type"] == "clap" else AutoModelForAudioClassification
    return kind.from_pretrained(folder, dtype="float32", **options).eval()


def answer(model: Any, features: Any) -> Any:
    """The logits of `features`, the model's main input; of CLAP the audio embedding."""
    if hasattr(model, "get_audio_features"):
        found = model.get_audio_features(input_features=features)
        return getattr(found, "pooler_output", found)
    return model(features).logits


def features(folder: Path, clips: list[Any]) -> Any:
    """The main input of the model, `[B, …]`, of clips of one length at the model's rate."""
    from transformers import AutoFeatureExtractor

    extractor = AutoFeatureExtractor.from_pretrained(folder)
    found = extractor(clips, sampling_rate=extractor.sampling_rate, return_tensors="pt")
    return next(found[key] for key in ("input_values", "input_features") if key in found).float()


def rate(folder: Path) -> int:
    return json.loads((folder / "preprocessor_config.json").read_text())["sampling_rate"]
