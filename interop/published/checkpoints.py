"""Tiny checkpoints of the five published models' architectures, with random weights and shapes.

Their last layer is fitted to what the layers below make of a few sounds of each class, so that a model is right about some
clips and wrong about others, and sure of most of its answers: no difference of the last digit decides which label comes first.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    HubertConfig,
    HubertForSequenceClassification,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
)

from published.sounds import sound

sys.path.append(str(Path(__file__).parents[2] / "tests/golden"))
import clap as clap_goldens
import speech as speech_goldens

RATE = 16_000
WIDTH = 64
#: Sounds of each class that a last layer is fitted to.
SOUNDS = 10
#: How far the best logit of those is from the second, on average.
SURE = 1.0


def seed_of(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def fit(below: np.ndarray, classes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a last layer whose largest logit is that of the class with the nearest mean."""
    means = np.stack([below[np.array(classes) == label].mean(axis=0) for label in range(max(classes) + 1)])
    weight = means - means.mean(axis=0)
    bias = -((means + means.mean(axis=0)) * weight).sum(axis=1) / 2
    scale = SURE / margin(below @ weight.T + bias)
    return scale * weight, scale * bias


def margin(logits: np.ndarray) -> float:
    """How far the best is from the second, on average."""
    best, second = np.sort(logits, axis=1)[:, [-1, -2]].T
    return (best - second).mean()


@torch.no_grad()
def set_head(model: torch.nn.Module, head: torch.nn.Linear, extractor, labels: int, seconds: float, rng) -> None:
    """Fits the last layer."""
    below = []
    hook = head.register_forward_pre_hook(lambda _, args: below.append(args[0].numpy()))
    for label in range(labels):
        sounds = [sound(label, labels, RATE, seconds, rng) for _ in range(SOUNDS)]
        model(**extractor(sounds, sampling_rate=RATE, return_tensors="pt"))
    hook.remove()
    weight, bias = fit(np.concatenate(below).astype(np.float64), [label for label in range(labels) for _ in range(SOUNDS)])
    head.weight.copy_(torch.from_numpy(weight))
    head.bias.copy_(torch.from_numpy(bias))


def finish(model, head, extractor, labels: list[str], seconds: float, folder: Path, rng: np.random.Generator) -> None:
    """`labels` are in the order of the classes; the model has them in another."""
    model.eval()
    set_head(model, head, extractor, len(labels), seconds, rng)
    order = rng.permutation(len(labels))
    with torch.no_grad():
        head.weight.copy_(head.weight[order].clone())
        head.bias.copy_(head.bias[order].clone())
    model.config.id2label = {number: labels[label] for number, label in enumerate(order)}
    model.config.label2id = {label: number for number, label in model.config.id2label.items()}
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)


def speech(config_class: type, model_class: type, more: dict, labels: list[str], folder: Path, rng) -> None:
    config = config_class(
        hidden_size=int(rng.choice([32, 48])), num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        conv_dim=(int(rng.choice([16, 24])),) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
        classifier_proj_size=WIDTH, num_labels=len(labels), apply_spec_augment=False, **more,
    )
    model = model_class(config)
    speech_goldens.randomise(model, seed_of(rng))
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    finish(model, model.classifier, extractor, labels, 0.4, folder, rng)


def xls_r(labels: list[str], folder: Path, rng: np.random.Generator) -> None:
    more = dict(feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True)
    speech(Wav2Vec2Config, Wav2Vec2ForSequenceClassification, more, labels, folder, rng)


def distilhubert(labels: list[str], folder: Path, rng: np.random.Generator) -> None:
    more = dict(feat_extract_norm="group", feat_proj_layer_norm=False)
    speech(HubertConfig, HubertForSequenceClassification, more, labels, folder, rng)


def ast(labels: list[str], folder: Path, rng: np.random.Generator) -> None:
    bins, frames = int(rng.choice([48, 64])), 24
    config = ASTConfig(
        hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, patch_size=12,
        frequency_stride=int(rng.choice([8, 10])), time_stride=10, num_mel_bins=bins, max_length=frames,
        num_labels=len(labels),
    )
    model = ASTForAudioClassification(config)
    speech_goldens.randomise(model, seed_of(rng))
    extractor = ASTFeatureExtractor(num_mel_bins=bins, max_length=frames)
    finish(model, model.classifier.dense, extractor, labels, 0.2, folder, rng)


def whisper(labels: list[str], folder: Path, rng: np.random.Generator) -> None:
    config = WhisperConfig(
        d_model=WIDTH, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=48, num_mel_bins=80,
        max_source_positions=50, classifier_proj_size=WIDTH, num_labels=len(labels), decoder_layers=1,
        decoder_attention_heads=1, decoder_ffn_dim=4, vocab_size=8, max_target_positions=4, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=3, begin_suppress_tokens=None,
    )
    model = WhisperForAudioClassification(config)
    speech_goldens.randomise(model, seed_of(rng))
    extractor = WhisperFeatureExtractor(feature_size=80, chunk_length=1)
    finish(model, model.classifier, extractor, labels, 0.8, folder, rng)


@torch.no_grad()
def clap(sentences: list[str], folder: Path, rng: np.random.Generator) -> None:
    """CLAP without fusion, whose sounds of each class lead to its sentence."""
    tokenizer = clap_goldens.make_tokenizer(folder)
    config = ClapConfig(
        audio_config=dict(
            num_mel_bins=32, spec_size=64, patch_size=4, patch_stride=[4, 4], window_size=4, depths=[2, 2],
            num_attention_heads=[2, 4], patch_embeds_hidden_size=WIDTH // 2, hidden_size=WIDTH,
        ),
        text_config=dict(
            vocab_size=len(tokenizer), hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=48, max_position_embeddings=64,
        ),
        projection_dim=2 * WIDTH,
    )
    model = ClapModel(config).eval()
    clap_goldens.randomise(model, seed_of(rng))
    extractor = ClapFeatureExtractor(feature_size=32, max_length_s=1, truncation="rand_trunc")
    last, below = model.audio_projection.linear2, []
    hook = last.register_forward_pre_hook(lambda _, args: below.append(args[0].numpy()))
    for label in range(len(sentences)):
        sounds = [sound(label, len(sentences), 48_000, 0.6, rng) for _ in range(SOUNDS)]
        model.get_audio_features(**extractor(sounds, sampling_rate=48_000, return_tensors="pt"))
    hook.remove()
    classes = [label for label in range(len(sentences)) for _ in range(SOUNDS)]
    below = np.concatenate(below).astype(np.float64)
    weight, bias = fit(below, classes)
    # What is added to all logits of a clip changes nothing, so that deviations from the mean are enough. There are more
    # dimensions than sentences: the pseudo-inverse leads from logits to an embedding that has them, but for its length.
    texts = text_embeddings(model, tokenizer, sentences).astype(np.float64)
    to_embedding = np.linalg.pinv(texts - texts.mean(axis=0), rcond=1e-3)
    weight, bias = to_embedding @ (weight - weight.mean(axis=0)), to_embedding @ (bias - bias.mean())
    last.weight.copy_(torch.from_numpy(weight))
    last.bias.copy_(torch.from_numpy(bias))
    embeddings = below @ weight.T + bias
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    model.logit_scale_a.fill_(np.log(SURE / margin(embeddings @ texts.T)))
    config.architectures = ["ClapModel"]
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@torch.no_grad()
def text_embeddings(model: ClapModel, tokenizer: Callable, sentences: list[str]) -> np.ndarray:
    tokens = tokenizer(sentences, padding=True, return_tensors="pt")
    return model.get_text_features(**tokens).pooler_output.numpy()
