#!/usr/bin/env python3
"""Times full-size models here and in transformers, turn by turn in one run: loading, forward pass, peak memory.

    pip install -r bench/requirements.txt
    cargo build --release -p earmark-cli
    python bench/models.py [--work DIR] [--rounds 3] [--threads 2] [--models distilhubert ast …]

The checkpoints are random and of the published sizes: made once with transformers, kept in --work. Each turn is a process
of its own on each side, so that the peak of memory is that model's: it loads, and runs the forward pass --repeat times on
noise after one that is not counted. The median of the turns counts. Before that both sides are asked about one WAV file,
and the logits (of CLAP the audio embedding) compared.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = {"distilhubert": 5, "wav2vec2-base": 5, "xls-r-300m": 5, "ast-base": 10, "whisper-medium": 30, "clap-htsat": 10}
EARMARK = Path(__file__).parent.parent / "target/release/earmark"


def build(name):
    """The model and its extractor, as the published config has them."""
    from transformers import (
        ASTConfig, ASTFeatureExtractor, ASTForAudioClassification, ClapConfig, ClapFeatureExtractor, ClapModel, HubertConfig,
        HubertForSequenceClassification, Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification,
        WhisperConfig, WhisperFeatureExtractor, WhisperForAudioClassification,
    )

    if name == "distilhubert":  # ntu-spml/distilhubert
        config = HubertConfig(num_hidden_layers=2, feat_proj_layer_norm=False, num_labels=10)
        return HubertForSequenceClassification(config), Wav2Vec2FeatureExtractor(return_attention_mask=False)
    if name == "wav2vec2-base":  # facebook/wav2vec2-base
        return Wav2Vec2ForSequenceClassification(Wav2Vec2Config(num_labels=14)), Wav2Vec2FeatureExtractor()
    if name == "xls-r-300m":  # facebook/wav2vec2-xls-r-300m
        config = Wav2Vec2Config(
            hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
            feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True, num_labels=14,
        )
        return Wav2Vec2ForSequenceClassification(config), Wav2Vec2FeatureExtractor(return_attention_mask=True)
    if name == "ast-base":  # MIT/ast-finetuned-audioset-10-10-0.4593
        return ASTForAudioClassification(ASTConfig(num_labels=527)), ASTFeatureExtractor()
    if name == "whisper-medium":  # sanchit-gandhi/whisper-medium-fleurs-lang-id
        config = WhisperConfig(
            d_model=1024, encoder_layers=24, encoder_attention_heads=16, encoder_ffn_dim=4096, num_labels=102
        )
        return WhisperForAudioClassification(config), WhisperFeatureExtractor()
    # laion/clap-htsat-unfused
    text = dict(vocab_size=50265, max_position_embeddings=514)
    model = ClapModel(ClapConfig(text_config=text, projection_dim=512))
    return model, ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad", frequency_min=50)


def tokenizer_json():
    """The smallest tokenizer that CLAP can be opened with; no text is read here."""
    from tokenizers import Tokenizer, models

    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    return Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>")).to_str()


def make(name, folder):
    import torch

    if (folder / "model.safetensors").exists():
        return
    torch.manual_seed(0)
    model, extractor = build(name)
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    if name == "clap-htsat":
        (folder / "tokenizer.json").write_text(tokenizer_json())


def load(folder):
    from transformers import AutoModelForAudioClassification, ClapModel

    is_clap = json.loads((folder / "config.json").read_text())["model_type"] == "clap"
    kind = ClapModel if is_clap else AutoModelForAudioClassification
    return kind.from_pretrained(folder, dtype="float32").eval()


def answer(model, inputs):
    """The logits; of CLAP the audio embedding."""
    if not hasattr(model, "get_audio_features"):
        return model(**inputs).logits
    found = model.get_audio_features(**inputs)
    return getattr(found, "pooler_output", found)


def child(folder, seconds, threads, repeat):
    """One turn of transformers, as JSON on stdout."""
    import resource

    import numpy as np
    import torch
    from transformers import AutoFeatureExtractor

    torch.set_num_threads(threads)
    begin = time.perf_counter()
    model, extractor = load(folder), AutoFeatureExtractor.from_pretrained(folder)
    load_s = time.perf_counter() - begin
    rate = extractor.sampling_rate
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, int(seconds * rate)).astype(np.float32)
    inputs = extractor(noise, sampling_rate=rate, return_tensors="pt")
    forward_s = []
    with torch.inference_mode():
        for turn in range(repeat + 1):
            begin = time.perf_counter()
            answer(model, inputs)
            if turn:
                forward_s.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"load_s": load_s, "forward_s": forward_s, "peak_rss_mb": peak}))


def output(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def difference(folder, work):
    """Both sides on one WAV file at the model's rate: the largest difference, and the largest number."""
    import numpy as np
    import soundfile
    import torch
    from transformers import AutoFeatureExtractor

    extractor = AutoFeatureExtractor.from_pretrained(folder)
    rate, wav = extractor.sampling_rate, work / "clip.wav"
    clip = np.random.default_rng(1).uniform(-0.5, 0.5, 4 * rate).astype(np.float32)
    soundfile.write(wav, clip, rate, subtype="FLOAT")
    with torch.inference_mode():
        want = answer(load(folder), extractor(clip, sampling_rate=rate, return_tensors="pt"))[0].numpy()
    if "clap" in folder.name:
        output([EARMARK, "embed", wav, "--model", folder, "-o", work / "clip.npy"])
        got = np.load(work / "clip.npy")[0]
    else:
        arguments = ["--scores", "none", "--top-k", "all", "--format", "jsonl"]
        said = json.loads(output([EARMARK, "classify", wav, "--model", folder, *arguments]))["predictions"]
        ids = json.loads((folder / "config.json").read_text())["id2label"]
        scores = {prediction["label"]: prediction["score"] for prediction in said}
        got = np.array([scores[ids[str(i)]] for i in range(len(ids))])
    return float(np.abs(got - want).max()), float(np.abs(want).max())


def main(arguments):
    work = Path(arguments.work or tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    print("| model | parameters | load, s | | | peak memory, MB | | | forward, s | | | worst difference |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name in arguments.models:
        folder, seconds = work / name, SECONDS[name]
        # In a process of its own: this one should not hold models while others are timed.
        output([sys.executable, __file__, "--make", name, "--work", work])
        off, size, parameters = json.loads(output([sys.executable, __file__, "--compare", name, "--work", work]))
        ours, theirs = [], []
        limits = ["--threads", str(arguments.threads), "--repeat", str(arguments.repeat)]
        for _ in range(arguments.rounds):
            command = [EARMARK, "bench", "--model", folder, "--seconds", str(seconds), *limits]
            ours.append(json.loads(output(command)))
            theirs.append(json.loads(output([sys.executable, __file__, "--child", name, "--work", work, *limits])))
        cells = [f"{name}, {seconds} s", f"{parameters / 1e6:.0f} M"]
        for key, digits in [("load_s", 2), ("peak_rss_mb", 0), ("forward_s", 3)]:
            number = lambda turn: statistics.median(turn[key]) if key == "forward_s" else turn[key]
            a, b = (statistics.median(map(number, turns)) for turns in (ours, theirs))
            ratio = statistics.median(number(a) / number(b) for a, b in zip(ours, theirs))
            cells += [f"{a:.{digits}f}", f"{b:.{digits}f}", f"**{ratio:.2f}**"]
        print("| " + " | ".join([*cells, f"{off:.1e} of {size:.1f}"]) + " |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=list(SECONDS), choices=list(SECONDS))
    for step in ("--make", "--compare", "--child"):
        parser.add_argument(step, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    if arguments.make:
        make(arguments.make, arguments.work / arguments.make)
    elif arguments.compare:
        from safetensors import safe_open

        folder = arguments.work / arguments.compare
        with safe_open(folder / "model.safetensors", "pt") as file:
            shapes = (file.get_slice(key).get_shape() for key in file.keys())
            count = sum(math.prod(shape) for shape in shapes)
        print(json.dumps([*difference(folder, arguments.work), count]))
    elif arguments.child:
        child(arguments.work / arguments.child, SECONDS[arguments.child], arguments.threads, arguments.repeat)
    else:
        main(arguments)
