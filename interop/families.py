"""Does every family of networks give the logits of transformers, whatever its configuration, and is what it exports opened there?

Usage: families.py [WORK] [--seed N] [--configs N] [--family MODEL_TYPE] [--earmark BINARY]

For each family it draws some configurations and weights, writes the checkpoints with transformers, and compares what both make
of a few synthetic clips of several lengths. The first of each family is also trained for a few steps, and the exported model
compared in the same way. Everything follows from the seed, which is printed.
"""

import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
import transformers
from torch import nn
from transformers import (
    ASTFeatureExtractor,
    AutoFeatureExtractor,
    AutoModelForAudioClassification,
    CONFIG_MAPPING,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

from common import earmark, json_lines, parser, verdict, worst_of

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/golden"))
from speech import clip, randomise  # noqa: E402

RATE = 16_000
LABELS = ["bell", "rain", "siren"]
TOLERANCE = 1e-4  # of the largest logit; random weights make logits up to some tens

Draw = Callable[[random.Random], tuple[dict, object]]


def speech(r: random.Random, squeezed: bool = False) -> dict:
    """What all networks over samples have. Widths are even and divide by the heads and by the groups."""
    heads, size = r.choice([1, 2, 4]), r.choice([2, 4, 6])
    layers = r.choice([4, 7])
    kernels, strides = ((10, 3, 3, 2), (5, 2, 2, 2)) if layers == 4 else ((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
    return dict(
        hidden_size=4 * heads * size, num_attention_heads=heads, num_hidden_layers=r.randint(1, 3),
        intermediate_size=r.randint(8, 40), conv_dim=[r.choice([6, 8, 10, 16]) for _ in range(layers)],
        conv_kernel=kernels, conv_stride=strides, conv_bias=r.random() < 0.5,
        feat_extract_norm=r.choice(["group", "layer"]), hidden_act=r.choice(["gelu", "relu", "swish"]),
        layer_norm_eps=r.choice([1e-5, 1e-3]), num_conv_pos_embeddings=r.choice([3, 8, 17]),
        num_conv_pos_embedding_groups=r.choice([1, 2, 4]), classifier_proj_size=r.randint(4, 20),
        use_weighted_layer_sum=r.random() < 0.5, mask_time_prob=0.0,
    )


def samples(r: random.Random) -> Wav2Vec2FeatureExtractor:
    return Wav2Vec2FeatureExtractor(do_normalize=r.random() < 0.7, return_attention_mask=r.random() < 0.5)


def plain(r: random.Random) -> tuple[dict, object]:
    return speech(r) | dict(do_stable_layer_norm=r.random() < 0.5), samples(r)


def hubert(r: random.Random) -> tuple[dict, object]:
    config, extractor = plain(r)
    return config | dict(feat_proj_layer_norm=r.random() < 0.5, conv_pos_batch_norm=r.random() < 0.3), extractor


def wavlm(r: random.Random) -> tuple[dict, object]:
    config, extractor = plain(r)
    return config | dict(num_buckets=r.choice([8, 20, 320]), max_bucket_distance=r.choice([100, 800])), extractor


def data2vec(r: random.Random) -> tuple[dict, object]:
    config = speech(r) | dict(num_conv_pos_embeddings=r.randint(1, 4), conv_pos_kernel_size=r.choice([3, 7, 19]))
    config.pop("feat_extract_norm")
    return config, samples(r)


def conformer(r: random.Random) -> tuple[dict, object]:
    positions = dict(
        position_embeddings_type=r.choice(["relative", "rotary", None]), max_source_positions=r.choice([10, 5000]),
        rotary_embedding_base=r.choice([100, 10_000]), conv_depthwise_kernel_size=r.choice([1, 3, 9, 31]),
    )
    return speech(r) | positions, samples(r)


def sew(r: random.Random) -> tuple[dict, object]:
    return speech(r) | dict(squeeze_factor=r.randint(1, 3)), samples(r)


def sew_d(r: random.Random) -> tuple[dict, object]:
    attention = dict(
        position_buckets=r.choice([-1, 8, 16, 64]), max_position_embeddings=r.choice([40, 512]),
        share_att_key=r.random() < 0.5, relative_attention=r.random() < 0.8, norm_rel_ebd=r.choice(["layer_norm", "none"]),
        pos_att_type=r.choice([["p2c", "c2p"], ["c2p"], ["p2c"], []]), feature_layer_norm_eps=r.choice([1e-5, 1e-3]),
        hidden_act=r.choice(["gelu_python", "relu"]),
    )
    return speech(r) | dict(squeeze_factor=r.randint(1, 3)) | attention, samples(r)


def wav2vec2_bert(r: random.Random) -> tuple[dict, object]:
    mels, kept = r.choice([8, 20, 80]), speech(r)
    for key in [key for key in kept if key.startswith(("conv_", "feat_extract", "num_conv"))]:
        kept.pop(key)
    positions = dict(
        position_embeddings_type=r.choice(["relative_key", "relative", "rotary", None]),
        left_max_position_embeddings=r.choice([0, 5, 64]), right_max_position_embeddings=r.choice([0, 3, 8]),
        conv_depthwise_kernel_size=r.choice([1, 5, 31]), feature_projection_input_dim=2 * mels,
    )
    extractor = SeamlessM4TFeatureExtractor(num_mel_bins=mels, feature_size=mels, padding_value=r.choice([0.0, 1.0]))
    return kept | positions, extractor


def ast(r: random.Random) -> tuple[dict, object]:
    heads, mels, frames = r.choice([1, 2, 4]), r.choice([16, 24]), r.choice([40, 90])
    config = dict(
        hidden_size=6 * heads, num_attention_heads=heads, num_hidden_layers=r.randint(1, 3), intermediate_size=r.randint(8, 40),
        patch_size=r.choice([4, 8]), frequency_stride=r.choice([3, 8]), time_stride=r.choice([4, 7]), num_mel_bins=mels,
        max_length=frames, qkv_bias=r.random() < 0.5, hidden_act=r.choice(["gelu", "relu"]),
    )
    return config, ASTFeatureExtractor(num_mel_bins=mels, max_length=frames)


def whisper(r: random.Random) -> tuple[dict, object]:
    heads, mels, seconds = r.choice([1, 2, 4]), r.choice([20, 80]), 1
    config = dict(
        d_model=6 * heads, encoder_attention_heads=heads, encoder_layers=r.randint(1, 3), encoder_ffn_dim=r.randint(8, 40),
        num_mel_bins=mels, max_source_positions=50 * seconds, classifier_proj_size=r.randint(4, 20),
        use_weighted_layer_sum=r.random() < 0.5, activation_function=r.choice(["gelu", "relu"]), decoder_layers=1,
        decoder_attention_heads=1, decoder_ffn_dim=4, vocab_size=8, max_target_positions=4, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=3, begin_suppress_tokens=None,
    )
    return config, WhisperFeatureExtractor(feature_size=mels, chunk_length=seconds)


FAMILIES: dict[str, Draw] = {
    "hubert": hubert,
    "wav2vec2": plain,
    "wav2vec2-conformer": conformer,
    "unispeech": plain,
    "unispeech-sat": plain,
    "wavlm": wavlm,
    "data2vec-audio": data2vec,
    "sew": sew,
    "sew-d": sew_d,
    "wav2vec2-bert": wav2vec2_bert,
    "audio-spectrogram-transformer": ast,
    "whisper": whisper,
}


def write(family: str, seed: int, folder: Path) -> None:
    """A checkpoint of a random configuration with random weights."""
    r = random.Random(f"{family} {seed}")
    config, extractor = FAMILIES[family](r)
    torch.manual_seed(seed)
    labels = dict(id2label=dict(enumerate(LABELS)), label2id={label: i for i, label in enumerate(LABELS)})
    model = AutoModelForAudioClassification.from_config(CONFIG_MAPPING[family](**config, **labels))
    randomise(model, r.randrange(1 << 30))
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    shown = {key: value for key, value in config.items() if not key.startswith(("decoder", "conv_kernel", "conv_stride"))}
    print(f"        {family} {seed}: {shown}")


@torch.no_grad()
def reference(folder: Path, paths: list[Path]) -> list[dict[str, float]]:
    """Logits by label of each clip alone."""
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    model, loading = AutoModelForAudioClassification.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(loading.values()), f"transformers complains about the weights of {folder}: {loading}"
    model.eval()
    rows = []
    for path in paths:
        wave, rate = soundfile.read(path, dtype="float32")
        features = extractor(wave, sampling_rate=rate, return_tensors="pt")
        rows.append({model.config.id2label[i]: x for i, x in enumerate(logits(model, features)[0].tolist())})
    return rows


def logits(model: nn.Module, features: dict) -> torch.Tensor:
    """The model's; but where a weighted sum mixes states whose last one has a norm of its own behind it, as transformers 4 did."""
    config = model.config
    normed = getattr(config, "do_stable_layer_norm", False) or config.model_type == "wav2vec2-conformer"
    if not (normed and config.use_weighted_layer_sum):
        return model(**features).logits
    out = model.base_model(**features, output_hidden_states=True)
    states = torch.stack([*out.hidden_states[:-1], out.last_hidden_state], dim=1)
    mixed = (states * torch.softmax(model.layer_weights, dim=-1).view(1, -1, 1, 1)).sum(dim=1)
    return model.classifier(model.projector(mixed).mean(dim=1))


def difference(binary: str, folder: Path, paths: list[Path]) -> float:
    """The worst of the logits, in shares of the largest."""
    want = reference(folder, paths)
    flags = ["--model", folder, "--scores", "none", "--top-k", "all", "--format", "jsonl"]
    got = json_lines(earmark(binary, "classify", *paths, *flags))
    largest = max(1.0, *(abs(x) for row in want for x in row.values()))
    differences = []
    for expected, line in zip(want, got, strict=True):
        assert "error" not in line, line
        scores = {prediction["label"]: prediction["score"] for prediction in line["predictions"]}
        assert scores.keys() == expected.keys(), (scores, expected)
        differences.append(worst_of(abs(scores[label] - x) for label, x in expected.items()) / largest)
    return worst_of(differences)


def trained(binary: str, folder: Path, data: Path, run: Path) -> Path:
    """The model that two epochs of training export; its random regularisers are on."""
    shutil.rmtree(run, ignore_errors=True)
    earmark(
        binary, "train", "--model", folder, "--data", data, "--output", run, "--epochs", 2, "--batch-size", 2,
        "--eval-batch-size", 2, "--test-size", 3, "--lr", 1e-3,
    )
    return run / "model"


def make_clips(seed: int, data: Path, least: int = 1600) -> list[Path]:
    """Three clips a class, of `least` samples (0.1 seconds) to 1.2 seconds."""
    shutil.rmtree(data, ignore_errors=True)
    rng, paths = np.random.RandomState(seed), []
    for label in LABELS:
        (data / label).mkdir(parents=True)
        for i in range(3):
            paths.append(data / label / f"{i}.wav")
            soundfile.write(paths[-1], clip(rng.randint(least, 19_200), rng), RATE, subtype="FLOAT")
    return paths


def main() -> None:
    p = parser(__doc__)
    p.add_argument("work", type=Path, nargs="?", default=Path("target/interop"))
    p.add_argument("--seed", type=int, default=random.randrange(10_000))
    p.add_argument("--configs", type=int, default=3, help="configurations of each family")
    p.add_argument("--family", choices=FAMILIES, help="this one alone")
    args = p.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(f"seed {args.seed}")
    work = args.work / "families"
    paths = make_clips(args.seed, work / "data")
    worst = {}
    for family in [args.family] if args.family else FAMILIES:
        found = []
        for seed in range(args.seed, args.seed + args.configs):
            folder = work / f"{family}-{seed - args.seed}"
            write(family, seed, folder)
            found.append(difference(args.earmark, folder, paths))
        model = trained(args.earmark, work / f"{family}-0", work / "data", work / f"{family}-run")
        found.append(difference(args.earmark, model, paths))
        print(f"{family:30} {' '.join(f'{x:.1e}' for x in found[:-1])}, trained {found[-1]:.1e}", flush=True)
        worst[family] = worst_of(found)
    verdict(f"logits of {len(worst)} families, in shares of the largest", worst_of(worst.values()), TOLERANCE)


if __name__ == "__main__":
    main()
