"""Do checkpoints without a classification head open for `embed` and `inspect`, as each class of transformers saves them?

Usage: base_checkpoints.py [--seed N] [--earmark BINARY]

Of each family tiny models with random weights: the encoder alone, with an adapter, and under the heads of transcription, of
pre-training and of frames. The embedding must be the mean of the last hidden states. Of each family with speaker-embedding models
some of random configurations: the embedding must be their x-vector.
"""

import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
import transformers
from transformers import (
    ASTConfig, ASTFeatureExtractor, ASTModel, Data2VecAudioConfig, Data2VecAudioForCTC, Data2VecAudioModel, HubertConfig,
    HubertForCTC, HubertModel, SeamlessM4TFeatureExtractor, SEWConfig, SEWDConfig, SEWDForCTC, SEWDModel, SEWForCTC, SEWModel,
    UniSpeechConfig, UniSpeechForCTC, UniSpeechForPreTraining, UniSpeechModel, UniSpeechSatConfig,
    UniSpeechSatForCTC, UniSpeechSatForPreTraining, UniSpeechSatModel, Wav2Vec2BertConfig, Wav2Vec2BertForCTC, Wav2Vec2BertModel,
    Wav2Vec2Config, Wav2Vec2ConformerConfig, Wav2Vec2ConformerForCTC, Wav2Vec2ConformerForPreTraining, Wav2Vec2ConformerModel, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC,
    Wav2Vec2ForPreTraining, Wav2Vec2Model, WavLMConfig, WavLMForCTC, WavLMModel, WhisperConfig, WhisperFeatureExtractor,
    WhisperForConditionalGeneration, WhisperModel, AutoModelForAudioXVector, CONFIG_MAPPING, Data2VecAudioForAudioFrameClassification,
    Wav2Vec2BertForAudioFrameClassification, Wav2Vec2ForAudioFrameClassification, WavLMForAudioFrameClassification,
)

from common import earmark, parser, verdict, worst_of
from families import FAMILIES, randomise

TOLERANCE = 1e-4  # of an embedding

SPEECH = dict(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, conv_dim=(16, 16, 16), conv_kernel=(10, 4, 4),
    conv_stride=(5, 4, 4), num_feat_extract_layers=3, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4, vocab_size=12,
    codevector_dim=16, proj_codevector_dim=16, num_codevectors_per_group=8, num_codevector_groups=2, num_negatives=4,
)
CLASSES = {
    Wav2Vec2Config: [Wav2Vec2Model, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining, Wav2Vec2ForAudioFrameClassification],
    HubertConfig: [HubertModel, HubertForCTC],
    UniSpeechConfig: [UniSpeechModel, UniSpeechForCTC, UniSpeechForPreTraining],
    UniSpeechSatConfig: [UniSpeechSatModel, UniSpeechSatForCTC, UniSpeechSatForPreTraining],
    WavLMConfig: [WavLMModel, WavLMForCTC, WavLMForAudioFrameClassification],
    Data2VecAudioConfig: [Data2VecAudioModel, Data2VecAudioForCTC, Data2VecAudioForAudioFrameClassification],
    Wav2Vec2ConformerConfig: [Wav2Vec2ConformerModel, Wav2Vec2ConformerForCTC, Wav2Vec2ConformerForPreTraining],
    SEWConfig: [SEWModel, SEWForCTC],
    SEWDConfig: [SEWDModel, SEWDForCTC],
}
# Their encoders may have an adapter.
ADAPTERS = [Wav2Vec2Config, WavLMConfig, Data2VecAudioConfig, Wav2Vec2ConformerConfig]
X_VECTORS = ["wav2vec2", "wavlm", "unispeech-sat", "data2vec-audio", "wav2vec2-conformer", "wav2vec2-bert"]
BERT = dict(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, feature_projection_input_dim=160, vocab_size=12,
    conv_depthwise_kernel_size=7,
)
AST = dict(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, num_mel_bins=32, max_length=100,
)
WHISPER = dict(
    d_model=32, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=48, decoder_layers=1, decoder_attention_heads=2,
    decoder_ffn_dim=40, num_mel_bins=16, max_source_positions=50, max_target_positions=8, vocab_size=30, pad_token_id=0,
    bos_token_id=1, eos_token_id=2, decoder_start_token_id=3, begin_suppress_tokens=None,
)


def adapter() -> dict:
    kernel = random.randint(3, 6)
    return dict(
        add_adapter=True, num_adapter_layers=random.randint(1, 2), adapter_kernel_size=kernel, adapter_stride=random.randint(1, kernel),
        output_hidden_size=random.choice([32, 20]),
    )


def x_vector_model(family: str, seed: int):
    """A speaker-embedding model of a random configuration, and its extractor."""
    r = random.Random(f"x-vector {family} {seed}")
    config, extractor = FAMILIES[family](r)
    # Where a norm stands behind the layers 5.23 sums the state before it, 4.x and earmark the one behind it.
    if config.get("do_stable_layer_norm") or family == "wav2vec2-conformer":
        config["use_weighted_layer_sum"] = False
    layers = r.randint(1, 5)
    config |= dict(
        tdnn_dim=[r.choice([5, 8, 12]) for _ in range(layers)], tdnn_kernel=[r.randint(1, 4) for _ in range(layers)],
        tdnn_dilation=[r.randint(1, 2) for _ in range(layers)], xvector_output_dim=r.choice([6, 16]),
    )
    torch.manual_seed(seed)
    model = AutoModelForAudioXVector.from_config(CONFIG_MAPPING[family](**config))
    randomise(model, r.randrange(1 << 30))
    return model.eval(), extractor


@torch.no_grad()
def x_vector(model, extractor, samples: np.ndarray) -> np.ndarray:
    features = extractor(samples, sampling_rate=16000, return_tensors="pt")
    return model(**features).embeddings[0].numpy()


def models():
    """Each with its extractor, and what gives the last hidden states."""
    for config, classes in CLASSES.items():
        for model in classes:
            # The first norm of base models is over time; that of large ones is not.
            norm = random.choice(["group", "layer"])
            made = model(config(**SPEECH, feat_extract_norm=norm, do_stable_layer_norm=norm == "layer"))
            encoder = getattr(made, made.base_model_prefix, made)
            yield made, Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer"), encoder
    for config in ADAPTERS:
        made = CLASSES[config][0](config(**SPEECH, **adapter()))
        yield made, Wav2Vec2FeatureExtractor(), made
    made = Wav2Vec2BertModel(Wav2Vec2BertConfig(**BERT, **adapter(), use_intermediate_ffn_before_adapter=random.random() < 0.5))
    yield made, SeamlessM4TFeatureExtractor(), made
    for model in (Wav2Vec2BertModel, Wav2Vec2BertForCTC, Wav2Vec2BertForAudioFrameClassification):
        made = model(Wav2Vec2BertConfig(**BERT))
        yield made, SeamlessM4TFeatureExtractor(), getattr(made, made.base_model_prefix, made)
    made = ASTModel(ASTConfig(**AST))
    yield made, ASTFeatureExtractor(num_mel_bins=AST["num_mel_bins"], max_length=AST["max_length"]), made
    for model in (WhisperModel, WhisperForConditionalGeneration):
        made = model(WhisperConfig(**WHISPER))
        yield made, WhisperFeatureExtractor(feature_size=WHISPER["num_mel_bins"], chunk_length=1), made.get_encoder()


@torch.no_grad()
def embedding(model, extractor, encoder, samples: np.ndarray) -> np.ndarray:
    features = extractor(samples, sampling_rate=16000, return_tensors="pt")
    if isinstance(model, ASTModel):
        return encoder(**features).pooler_output[0].numpy()
    if isinstance(extractor, SeamlessM4TFeatureExtractor):  # It fills an odd frame up, and masks the pair.
        states = encoder(**features).last_hidden_state[0]
        real = encoder._get_feat_extract_output_lengths(features["attention_mask"].sum(1))
        return states[: int(real)].mean(0).numpy()
    features.pop("attention_mask", None)
    return encoder(**features).last_hidden_state[0].mean(0).numpy()


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    args = p.parse_args()
    print(f"seed {args.seed}")
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    samples = np.random.default_rng(args.seed).standard_normal(12000).astype(np.float32) / 4
    differences, of_speakers = [], {}
    with tempfile.TemporaryDirectory() as folder:
        clip, vectors = Path(folder) / "clip.wav", Path(folder) / "vectors.npy"
        soundfile.write(clip, samples, 16000, subtype="FLOAT")
        for model, extractor, encoder in models():
            name, model = type(model).__name__, model.eval()
            path = Path(folder) / name
            model.save_pretrained(path)
            extractor.save_pretrained(path)
            earmark(args.earmark, "embed", clip, "-o", vectors, "--force", "--quiet", "--model", path)
            got, want = np.load(vectors)[0], embedding(model, extractor, encoder, samples)
            differences.append(float(np.abs(got - want).max()))
            print(f"{name:32} {differences[-1]:.1e}", flush=True)
            said = subprocess.run([args.earmark, "inspect", path, "--offline"], capture_output=True, text=True, check=False)
            if said.returncode != 0 or name not in said.stdout:
                sys.exit(f"FAILED  `earmark inspect` of {name}: {said.stdout}{said.stderr}")
        for family in X_VECTORS:
            found = []
            for seed in range(args.seed, args.seed + 3):
                model, extractor = x_vector_model(family, seed)
                path = Path(folder) / f"{family}-{seed}"
                model.save_pretrained(path)
                extractor.save_pretrained(path)
                earmark(args.earmark, "embed", clip, "-o", vectors, "--force", "--quiet", "--model", path)
                got, want = np.load(vectors)[0], x_vector(model, extractor, samples)
                found.append(float(np.abs(got - want).max() / max(1.0, np.abs(want).max())))
            print(f"x-vectors of {family:19} {' '.join(f'{x:.1e}' for x in found)}", flush=True)
            of_speakers[family] = worst_of(found)
            refused = subprocess.run(
                [args.earmark, "classify", clip, "--model", path, "--offline"], capture_output=True, text=True, check=False
            )
            if refused.returncode == 0 or "earmark embed" not in refused.stderr:
                sys.exit(f"FAILED  `earmark classify` with {path.name}: {refused.stdout}{refused.stderr}")
    differences.extend(of_speakers.values())
    verdict("embeddings of checkpoints without a head", worst_of(differences), TOLERANCE)


if __name__ == "__main__":
    main()
