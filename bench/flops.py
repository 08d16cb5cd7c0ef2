"""How many floating-point operations the matrix products of a forward pass take: two for each multiplication with its sum.

Convolutions and attention's products count; norms, activations and softmax do not, for no row is bound by their arithmetic.

    python bench/flops.py      checks the formulas against known values
"""

from typing import Any

# What a config.json may leave out, by transformers 5.23.0.
CONVOLUTIONS = {
    "conv_dim": [512] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
}


def product(rows: int, inner: int, columns: int) -> float:
    return 2.0 * rows * inner * columns


def layer(tokens: int, width: int, inner: int, seen: int | None = None) -> float:
    """A transformer layer: four projections, the two products of attention, two of the feed-forward part.

    `seen` is how many tokens each one attends to, all of them unless it is said.
    """
    linear = 4 * product(tokens, width, width) + 2 * product(tokens, width, inner)
    return linear + 2 * product(tokens, width, seen or tokens)


def speech(config: dict[str, Any], seconds: float) -> float:
    """HuBERT and Wav2Vec2."""
    config = CONVOLUTIONS | config
    length, channels, total = round(seconds * 16_000), 1, 0.0
    for width, kernel, stride in zip(config["conv_dim"], config["conv_kernel"], config["conv_stride"]):
        length = (length - kernel) // stride + 1
        total += product(length, channels * kernel, width)
        channels = width
    width, taps = config["hidden_size"], config["num_conv_pos_embeddings"]
    total += product(length, channels, width)
    # An even kernel makes one frame more, which is dropped.
    total += product(length + 1 - taps % 2, width // config["num_conv_pos_embedding_groups"] * taps, width)
    return total + config["num_hidden_layers"] * layer(length, width, config["intermediate_size"])


def spectrogram(config: dict[str, Any]) -> float:
    """AST: a spectrogram cut into overlapping patches, and two tokens for the whole clip."""
    patch, width = config["patch_size"], config["hidden_size"]
    across = (config["num_mel_bins"] - patch) // config["frequency_stride"] + 1
    along = (config["max_length"] - patch) // config["time_stride"] + 1
    layers = config["num_hidden_layers"] * layer(across * along + 2, width, config["intermediate_size"])
    return product(across * along, patch * patch, width) + layers


def whisper(config: dict[str, Any]) -> float:
    """Whisper's encoder, which hears 30 s whatever the clip's length."""
    width, tokens = config["d_model"], config["max_source_positions"]
    convolutions = product(2 * tokens, 3 * config["num_mel_bins"], width) + product(tokens, 3 * width, width)
    return convolutions + config["encoder_layers"] * layer(tokens, width, config["encoder_ffn_dim"])


def clap(config: dict[str, Any]) -> float:
    """CLAP's audio tower: a Swin transformer, whose tokens see their window only."""
    audio = config["audio_config"]
    side, width, total = audio["spec_size"] // audio["patch_size"], audio["patch_embeds_hidden_size"], 0.0
    total += product(side * side, audio["patch_size"] ** 2, width)
    for stage, depth in enumerate(audio["depths"]):
        if stage:  # Four neighbours become one token, twice as wide.
            side, width = side // 2, 2 * width
            total += product(side * side, 2 * width, width)
        seen = min(side, audio["window_size"]) ** 2
        total += depth * layer(side * side, width, int(audio["mlp_ratio"] * width), seen)
    return total


def forward(config: dict[str, Any], seconds: float) -> float:
    """Of one clip through the model that `config`, a config.json, describes."""
    match config["model_type"]:
        case "hubert" | "wav2vec2":
            return speech(config, seconds)
        case "audio-spectrogram-transformer":
            return spectrogram(config)
        case "whisper":
            return whisper(config)
        case "clap":
            return clap(config)
        case other:
            raise ValueError(f"there is no formula for `{other}`")


def train(config: dict[str, Any], seconds: float) -> float:
    """Of one clip forward and backward: each product has two in the backward pass, for its inputs and for its weights."""
    return 3 * forward(config, seconds)


def check() -> None:
    base = {"hidden_size": 768, "intermediate_size": 3072}
    patches = dict(patch_size=16, num_mel_bins=128, max_length=1024, frequency_stride=10, time_stride=10)
    small = dict(d_model=512, max_source_positions=1500, num_mel_bins=80, encoder_layers=6, encoder_ffn_dim=2048)
    known = [
        (speech(base | {"num_hidden_layers": 2}, 5), 34.5),
        (speech(base | {"num_hidden_layers": 2}, 30), 218.8),
        (speech(base | {"num_hidden_layers": 12}, 5), 71.7),
        (spectrogram(base | patches | {"num_hidden_layers": 12}), 261.0),
        (whisper(small), 87.4),
    ]
    for found, expected in known:
        assert abs(found / 1e9 - expected) <= 0.05, (found, expected)
    print(f"{len(known)} counts are as they should be")


if __name__ == "__main__":
    check()
