"""Does CED give the scores of the code of its authors, whatever its configuration, and does that code open what it exports?

Usage: CED_SOURCE=DIR ced.py [WORK] [--seed N] [--configs N] [--earmark BINARY]

DIR is a copy of that code: see tests/golden/ced.py. Without it the check is skipped, and says so. It draws some configurations and
weights, writes the checkpoints with that code, and compares what both make of a few synthetic clips, of which some are longer than a
window. The first is also trained for a few steps, and the exported model compared in the same way; its embeddings are compared too.
"""

import os
import random
import shutil
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch
import transformers

from common import earmark, json_lines, parser, verdict, worst_of
from families import LABELS, make_clips, trained

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/golden"))
from ced import randomise_all  # noqa: E402

TOLERANCE = 1e-4  # of the largest logit, or of the largest number of an embedding


def draw(r: random.Random) -> tuple[dict, dict]:
    heads, size, mels = r.choice([1, 2, 4]), r.choice([16, 8]), r.choice([64, 32])
    config = dict(
        embed_dim=heads * r.choice([6, 8]), num_heads=heads, depth=r.randint(1, 3), mlp_ratio=r.choice([1.0, 2.5, 4.0]),
        patch_size=size, patch_stride=size, target_length=r.choice([2 * size, 50, 1012]), n_mels=mels, qkv_bias=r.random() < 0.7,
        pad_last=r.random() < 0.5, pooling=r.choice(["mean", "logit"]),
    )
    extractor = dict(feature_size=mels, f_max=r.choice([None, 8000, 7000]), f_min=r.choice([0, 30]), win_size=r.choice([400, 512]))
    return config, extractor


def write(seed: int, folder: Path) -> None:
    """A checkpoint of a random configuration with random weights."""
    from ced_model.configuration_ced import CedConfig
    from ced_model.feature_extraction_ced import CedFeatureExtractor
    from ced_model.modeling_ced import CedForAudioClassification

    r = random.Random(f"ced {seed}")
    config, extractor = draw(r)
    torch.manual_seed(seed)
    model = CedForAudioClassification(CedConfig(outputdim=len(LABELS), **config))
    # The class itself names only AudioSet's.
    model.config.id2label = dict(enumerate(LABELS))
    model.config.label2id = {label: i for i, label in enumerate(LABELS)}
    randomise_all(model, r.randrange(1 << 30))
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    CedFeatureExtractor(**extractor).save_pretrained(folder)
    print(f"        ced {seed}: {config}")


@torch.no_grad()
def reference(folder: Path, paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """The logits and the mean of the last states of each clip alone."""
    from ced_model.feature_extraction_ced import CedFeatureExtractor
    from ced_model.modeling_ced import CedForAudioClassification

    extractor = CedFeatureExtractor.from_pretrained(folder)
    model, loading = CedForAudioClassification.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(loading.values()), f"the authors' class complains about the weights of {folder}: {loading}"
    model.eval()
    logits, embeddings = [], []
    for path in paths:
        wave, rate = soundfile.read(path, dtype="float32")
        states = model.encoder(extractor(wave, sampling_rate=rate)["input_values"]).logits
        embeddings.append(states.mean(1)[0].numpy())
        logits.append(model.outputlayer(states.mean(1))[0].numpy())
    return np.stack(logits), np.stack(embeddings)


def difference(binary: str, folder: Path, paths: list[Path], vectors: Path) -> float:
    """The worst of the logits and of the embeddings, in shares of the largest of each."""
    logits, embeddings = reference(folder, paths)
    flags = ["--model", folder, "--scores", "none", "--top-k", "all", "--format", "jsonl"]
    lines = json_lines(earmark(binary, "classify", *paths, *flags))
    rows = [{it["label"]: it["score"] for it in line["predictions"]} for line in lines]
    got = np.array([[row[label] for label in LABELS] for row in rows])
    earmark(binary, "embed", *paths, "-o", vectors, "--force", "--quiet", "--model", folder)
    table = np.load(vectors)
    by_path = dict(zip(table["path"].tolist(), table["vector"], strict=True))
    vectors_of_paths = np.stack([by_path[str(path)] for path in paths])
    of_logits = np.abs(got - logits).max() / max(1.0, np.abs(logits).max())
    of_embeddings = np.abs(vectors_of_paths - embeddings).max() / max(1.0, np.abs(embeddings).max())
    return float(max(of_logits, of_embeddings))


def main() -> None:
    p = parser(__doc__)
    p.add_argument("work", type=Path, nargs="?", default=Path("target/interop"))
    p.add_argument("--seed", type=int, default=random.randrange(10_000))
    p.add_argument("--configs", type=int, default=3, help="how many configurations")
    args = p.parse_args()
    source = os.environ.get("CED_SOURCE")
    if not source:
        print("skipped CED: CED_SOURCE names no copy of its authors' code (see tests/golden/ced.py)")
        return
    sys.path.insert(0, source)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(f"seed {args.seed}")
    work = args.work / "ced"
    paths = make_clips(args.seed, work / "data", least=2600)  # a patch is 16 frames
    found = []
    for seed in range(args.seed, args.seed + args.configs):
        folder = work / f"ced-{seed - args.seed}"
        write(seed, folder)
        found.append(difference(args.earmark, folder, paths, work / "vectors.npz"))
    model = trained(args.earmark, work / "ced-0", work / "data", work / "ced-run")
    found.append(difference(args.earmark, model, paths, work / "vectors.npz"))
    print(f"{'ced':30} {' '.join(f'{x:.1e}' for x in found[:-1])}, trained {found[-1]:.1e}", flush=True)
    verdict("logits and embeddings of CED, in shares of the largest", worst_of(found), TOLERANCE)


if __name__ == "__main__":
    main()
