"""Do the five published evaluations give the answers of `transformers`, clip by clip, and scikit-learn's numbers of them?

Usage: evaluations.py HUB [--only NAME] [--seed N] [--earmark BINARY]

HUB is the example `hub` of earmark-testkit. Models are tiny and random, datasets miniatures in the layouts that they are
published in, and both lie on the loopback Hub: `earmark eval NAME` finds them there by itself. The seed chooses the weights,
the shapes and the sounds; without one a fresh seed is drawn and printed. GTZAN is scored by the flow of the Hugging Face
audio course too.

`earmark` runs with `--compat transformers`: it then resamples as the pipelines of `transformers` do.
"""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from common import parser, worst_of

TOLERANCE = 3e-4  # of a score

MODELS = {
    "minds14": "anton-l/xtreme_s_xlsr_300m_minds14",
    "speech-commands": "MIT/ast-finetuned-speech-commands-v2",
    "fleurs": "sanchit-gandhi/whisper-medium-fleurs-lang-id",
    "esc50": "laion/clap-htsat-unfused",
    "gtzan": "sanchit-gandhi/distilhubert-finetuned-gtzan",
}
#: The repository of each dataset, and the commit or branch that is asked for.
DATASETS = {
    "minds14": ("PolyAI/minds14", "40ce77cb32a384e4d50a568e1ec39ac804019d33"),
    "fleurs": ("google/fleurs", "70bb2e84b976b7e960aa89f1c648e09c59f894dd"),
    "esc50": ("ashraq/esc50", "e3e2a63ffff66b9a9735524551e3818e96af03ee"),
    "gtzan": ("marsyas/gtzan", "d2146561ecc7df707d9e6b8318885fe6a39668a2"),
}


class Hub:
    """The loopback Hub, in a process of its own."""

    def __init__(self, binary: str):
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def add(self, repo: str, revision: str, folder: Path) -> None:
        self.process.stdin.write(f"add {repo} {revision} {folder}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline(), "the Hub is gone"


class Place:
    """Where everything lies, and the Hub."""

    def __init__(self, binary: str, hub: Hub, folder: Path):
        self.binary, self.hub, self.folder = binary, hub, folder
        self.downloads = folder / "data/downloads"

    def earmark(self, *args: object) -> subprocess.CompletedProcess:
        env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING", "EARMARK_"))}
        env |= {
            "HF_ENDPOINT": self.hub.url, "HF_HOME": str(self.folder / "home"), "EARMARK_DATA": str(self.folder / "data"),
            "EARMARK_CACHE": str(self.folder / "features"),
        }
        command = [self.binary, *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        if done.returncode != 0:
            sys.exit(f"FAILED  `{' '.join(command)}` exited with {done.returncode}:\n{done.stderr}")
        return done

    def classes(self, dataset: str, *args: str) -> list[str]:
        """In the order of their numbers."""
        text = self.earmark("data", "info", dataset, "--all", *args).stdout
        return re.search(r"^classes +\d+ of \S+: (.*)$", text, re.MULTILINE)[1].split(", ")

    def evaluate(self, name: str, output: str, *args: object) -> tuple[dict, dict]:
        """The report, and the table of predictions as lists by column."""
        import pyarrow.parquet

        folder = self.folder / output
        done = self.earmark("eval", name, "--compat", "transformers", "--device", "cpu", "-o", folder, *args)
        file = pyarrow.parquet.ParquetFile(folder / "predictions.parquet")
        labels = json.loads(file.metadata.metadata[b"labels"])
        report = json.loads((folder / "report.json").read_text())
        return report, file.read().to_pydict() | {"labels": labels, "printed": done.stdout}


def otherwise_written(label: str, rng: random.Random) -> str:
    """A label as another tool may write it."""
    label = re.sub("[ _-]", lambda _: rng.choice(" _-"), label)
    return rng.choice([str.lower, str.upper, str.title, str])(label)


def make(place: Place, name: str, seed: int) -> tuple[list, dict[str, str]]:
    """Puts model and dataset on the Hub; returns the clips, read from those files, and how the model spells each class."""
    import numpy as np

    from published import checkpoints, layouts, reading

    rng, spelling = np.random.default_rng([seed, list(MODELS).index(name)]), random.Random(seed)
    repo, model = place.folder / f"{name}-repo", place.folder / f"{name}-model"
    repo.mkdir()
    classes = place.classes({"speech-commands": "speech-commands:v0.02-words", "fleurs": "fleurs:all"}.get(name, name))
    where = (repo, place.downloads)
    if name == "minds14":
        languages = place.classes(name, "--label-column", "lang_id")
        layouts.minds14(*where, classes, languages, rng)
        clips = reading.minds14(*where)
    elif name == "fleurs":
        # The last of both is `all`, which no clip has.
        classes, codes = classes[:102], place.classes("fleurs:all", "--label-column", "lang_id")[:102]
        layouts.fleurs(*where, codes, rng)
        clips = reading.fleurs(*where, dict(zip(codes, classes)))
    else:
        module_name = name.replace("-", "_")
        getattr(layouts, module_name)(*where, classes, rng)
        clips = getattr(reading, module_name)(*where)
    if name in DATASETS:
        owner_and_name, revision = DATASETS[name]
        place.hub.add(f"datasets/{owner_and_name}", revision, repo)

    if name == "esc50":
        from published.reference import sentences

        spoken = {label: label.replace("_", " ") for label in classes}
        checkpoints.clap(sentences(list(spoken.values())), model, rng)
    else:
        spoken = {label: otherwise_written(label, spelling) for label in classes}
        family = {
            "minds14": checkpoints.xls_r, "speech-commands": checkpoints.ast, "fleurs": checkpoints.whisper,
            "gtzan": checkpoints.distilhubert,
        }
        family[name](list(spoken.values()), model, rng)
    place.hub.add(f"models/{MODELS[name]}", "main", model)
    return clips, spoken


def compare(what: str, clips: list, spoken: dict[str, str], report: dict, table: dict, labels: list[str], scores) -> float:
    """Ends the script where an answer differs; returns the worst difference of a score."""
    import numpy as np

    paths = [clip.path for clip in clips]
    order = {path: row for row, path in enumerate(paths)}
    assert len(order) == len(paths) and sorted(table["path"]) == sorted(paths), (
        f"{what}: not the same clips: {sorted(table['path'])[:3]} …, not {sorted(paths)[:3]} …"
    )
    rows = [order[path] for path in table["path"]]
    is_same_order = rows == list(range(len(rows)))
    # A CLAP model's labels are the classes; a classifier's are spelled in its own way.
    ours = [spoken.get(label, label) for label in table["labels"]]
    scores = np.asarray(scores, np.float64)[rows][:, [labels.index(label) for label in ours]]
    wanted = [spoken[clips[row].label] for row in rows]
    got = np.asarray(table["scores"], np.float64)
    difference = worst_of(np.abs(got - scores).ravel().tolist())
    best, second = np.sort(scores, axis=1)[:, [-1, -2]].T
    ties = 0
    for row, path in enumerate(table["path"]):
        said = [spoken.get(table[column][row], table[column][row]) for column in ("label", "predicted")]
        expected = ours[int(scores[row].argmax())]
        if said != [wanted[row], expected]:
            assert said[0] == wanted[row] and best[row] - second[row] < 2 * TOLERANCE, f"{what}: {path} is {said}, not {expected}"
            ties += 1
        assert abs(table["score"][row] - best[row]) <= TOLERANCE, f"{what}: {path} scores {table['score'][row]}, not {best[row]}"
    accuracy = sum(ours[int(row.argmax())] == label for row, label in zip(scores, wanted)) / len(rows)
    assert report["n"] == len(rows) and abs(report["accuracy"] - accuracy) <= ties / len(rows) + 1e-12, (
        f"{what}: accuracy {report['accuracy']} of {report['n']} clips, not {accuracy} of {len(rows)}"
    )
    verdict = "ok" if difference <= TOLERANCE else "FAILED"
    print(
        f"{verdict:7} {what}: {len(rows)} clips in {'the same' if is_same_order else 'another'} order, accuracy "
        f"{accuracy:.4f} and {report['accuracy']:.4f}, {ties} ties, worst difference of a score {difference:.1e}"
    )
    if difference > TOLERANCE:
        sys.exit(1)
    return difference


def check(place: Place, name: str, seed: int) -> float:
    clips, spoken = make(place, name, seed)

    from huggingface_hub import snapshot_download
    from published import metrics, reference

    report, table = place.evaluate(name, name)
    apart = metrics.worst_difference(report, table)
    print(f"ok      {name}: metrics as scikit-learn's, worst difference {apart:.1e}, tolerance {metrics.TOLERANCE:.0e}")
    model = Path(snapshot_download(MODELS[name]))
    if name == "esc50":
        labels, scores = reference.zero_shot(model, clips, list(spoken.values()))
        some = clips[::40]
        by_pipeline = reference.zero_shot_pipeline(model, some, labels)
        print(f"        the pipeline itself, on {len(some)} of them: {abs(by_pipeline - scores[::40]).max():.1e} apart")
    else:
        labels, scores = reference.classifier(model, clips)
    worst = compare(name, clips, spoken, report, table, labels, scores)
    if name == "esc50":
        # The first part of a file's name is its fold.
        folds = {part["name"]: part["n"] for part in report["parts"]["parts"]}
        assert folds == Counter(clip.path[0] for clip in clips), folds
    if name != "gtzan":
        return worst

    # The course's flow: batches of eight, padded by the Trainer's collator, and the pipeline, clip by clip.
    assert table["path"] == [clip.path for clip in clips], "not the clips that the course holds out, in its order"
    printed, scores = reference.trainer(model, clips, spoken, place.folder)
    worst = max(worst, compare("gtzan, Trainer", clips, spoken, report, table, labels, scores))
    alone, alone_table = place.evaluate(name, "gtzan-alone", "--eval-batch-size", 1)
    scores = reference.classifier_pipeline(model, clips, labels)
    worst = max(worst, compare("gtzan, pipeline", clips, spoken, alone, alone_table, labels, scores))
    print("        Trainer.evaluate printed " + json.dumps({key: printed[key] for key in ("eval_loss", "eval_accuracy")}))
    ours = [line for line in table["printed"].splitlines() if line.startswith("accuracy")]
    print("        earmark eval gtzan printed " + "; ".join(ours))
    assert abs(printed["eval_loss"] - report["loss"]) <= TOLERANCE, (printed, report["loss"])
    return worst


def main() -> None:
    p = parser(__doc__)
    p.add_argument("hub", help="the binary of `cargo build --release -p earmark-testkit --example hub`")
    p.add_argument("--only", choices=MODELS)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    args = p.parse_args()
    print(f"seed {args.seed}")
    hub = Hub(args.hub)
    with tempfile.TemporaryDirectory() as folder:
        # The client reads its settings when it is imported.
        os.environ |= {
            "HF_ENDPOINT": hub.url, "HF_HOME": f"{folder}/home-of-python", "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error",
        }
        for variable in ("HF_TOKEN", "HF_HUB_OFFLINE"):
            os.environ.pop(variable, None)
        import torch
        import transformers

        torch.set_num_threads(1)
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        place = Place(args.earmark, hub, Path(folder))
        place.downloads.mkdir(parents=True)
        names = [args.only] if args.only else list(MODELS)
        worst = max(check(place, name, args.seed) for name in names)
        print(f"ok      {len(names)} evaluations: worst difference of a score {worst:.1e}, tolerance {TOLERANCE:.0e}")
    hub.process.stdin.close()
    hub.process.wait()


if __name__ == "__main__":
    main()
