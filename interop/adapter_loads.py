"""Does PEFT open the adapter that `earmark train --lora-rank` leaves, over the model it began with, with the logits of the merged model?

Usage: adapter_loads.py WORK_DIR [--earmark BINARY]

WORK_DIR/adapters/FAMILY is a run from a tiny random model of each family, on the clips in WORK_DIR/reference/data, where trainer_parity.py
puts them. The merged model is opened by transformers alone, the adapter by PEFT.
"""

import shutil
from pathlib import Path

import soundfile
import torch
from peft import PeftModel
from transformers import (
    AutoFeatureExtractor,
    AutoModelForAudioClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
)

from common import earmark, parser, verdict, worst_of

TOLERANCE = 1e-5  # of a logit: the same product, in another order
GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
# A model folder, and arguments beside the rank.
RUNS = {
    "hubert": ("train/init", []),
    "wav2vec2": ("speech/wav2vec2", ["--lora-alpha", 8, "--lora-targets", "q_proj,k_proj,v_proj,out_proj"]),
    "data2vec": ("speech/data2vec-audio", ["--lora-targets", "intermediate_dense,output_dense"]),
    "sew-d": ("speech/sew-d", []),
    "wav2vec2-bert": ("wav2vec2_bert/none", []),
    "whisper": (None, []),
}
# PEFT 0.21.2 could not apply these: WavLM's attention reads its weights past the adapters, batch norms keep statistics.
WITHOUT = {"wavlm": "speech/wavlm", "conformer": "speech/conformer-rotary"}


def tiny_whisper(folder: Path) -> Path:
    torch.manual_seed(1)
    config = WhisperConfig(
        d_model=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=32, decoder_layers=1,
        decoder_attention_heads=2, decoder_ffn_dim=32, classifier_proj_size=16,
    )
    WhisperForAudioClassification(config).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


@torch.no_grad()
def worst(base: Path, run: Path, clips: list[Path]) -> float:
    extractor = AutoFeatureExtractor.from_pretrained(run / "model")
    merged = AutoModelForAudioClassification.from_pretrained(run / "model", dtype=torch.float32).eval()
    labels = merged.config.num_labels
    begun = AutoModelForAudioClassification.from_pretrained(
        base, dtype=torch.float32, num_labels=labels, ignore_mismatched_sizes=True
    )
    adapted = PeftModel.from_pretrained(begun, run / "adapter").eval()
    differences = []
    for clip in clips:
        x, rate = soundfile.read(clip, dtype="float32")
        features = extractor(x, sampling_rate=rate, return_tensors="pt")
        differences.append((merged(**features).logits - adapted(**features).logits).abs().max().item())
    return worst_of(differences)


def main() -> None:
    p = parser(__doc__)
    p.add_argument("work_dir", type=Path)
    args = p.parse_args()
    data = args.work_dir / "reference" / "data"
    clips = sorted(data.rglob("*.wav"))[::5]
    found = []

    def train(family: str, base: Path, more: list) -> Path:
        run = args.work_dir / "adapters" / family
        shutil.rmtree(run, ignore_errors=True)
        earmark(
            args.earmark, "train", "--model", base, "--data", data, "--output", run, "--new-head", "--epochs", 2,
            "--lr", 0.02, "--lora-rank", 4, *more,
        )
        return run

    for family, model in WITHOUT.items():
        assert not (train(family, GOLDEN / model, []) / "adapter").exists(), f"{family} has an adapter"
    for family, (model, more) in RUNS.items():
        base = GOLDEN / model if model else tiny_whisper(args.work_dir / "adapters" / "tiny-whisper")
        run = train(family, base, more)
        found.append(worst(base, run, clips))
        print(f"{family:10} {found[-1]:.1e}")
    verdict("adapters beside merged models", worst_of(found), TOLERANCE)


if __name__ == "__main__":
    main()
