"""Do Python's Hub client and ours understand each other? Each uploads to a loopback Hub what the other downloads.

python interop/hub_roundtrip.py HUB [RUN]        (huggingface_hub 2.4.0)

HUB is the example `hub` of earmark-testkit; RUN a run folder, whose model is pushed too.
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import yaml
from common import parser
from huggingface_hub import ModelCard, parse_eval_result_entries

p = parser(__doc__)
p.add_argument("hub", help="the binary of `cargo build --release -p earmark-testkit --example hub`")
p.add_argument("run", nargs="?", help="a finished run")
arguments = p.parse_args()
TOKEN = "hf_loopback_write"

work = tempfile.TemporaryDirectory()
place = pathlib.Path(work.name)


class Hub:
    """The loopback Hub, in a process of its own."""

    def __init__(self, *args: str):
        self.process = subprocess.Popen([arguments.hub, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        # Both clients use Xet with the public Hub alone unless they are told.
        self.env = {"HF_ENDPOINT": self.url, "HF_HUB_DISABLE_XET": str(int("xet" not in args))}

    def moved(self) -> tuple[int, int]:
        """How many files the storage has sent and taken."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        sent, taken = self.process.stdout.readline().split()
        return int(sent), int(taken)


def earmark(hub: Hub, home: pathlib.Path, *args: str, text: str | None = None) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    env |= hub.env | {"HF_HOME": str(home)}
    done = subprocess.run([arguments.earmark, *args], input=text, capture_output=True, text=True, env=env, check=False)
    if done.returncode != 0:
        sys.exit(f"FAILED  earmark {' '.join(args)}: {done.stderr}")
    return done.stdout


def files(folder: pathlib.Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there, but what the Hub itself adds."""
    found = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    return {name: data for name, data in found.items() if not name.startswith((".gitattributes", ".cache"))}


def model(folder: pathlib.Path, seed: int) -> pathlib.Path:
    """A folder with what a model has, an empty file and names that need quoting; 3 MB of weights."""
    draw = random.Random(seed)
    golden = pathlib.Path(__file__).parent.parent / "tests/golden/speech/group"
    for name in ["config.json", "preprocessor_config.json"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((golden / name).read_bytes())
    (folder / "model.safetensors").write_bytes((golden / "model.safetensors").read_bytes())
    (folder / "README.md").write_text(f"---\nlicense: mit\n---\n# {seed}\n")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "sounds & more").mkdir()
    (folder / "sounds & more" / "a #1 ü.wav").write_bytes(draw.randbytes(3_000_001))
    return folder


# The client reads its settings when it is imported, so one process for each Hub.
CLIENT = """
import sys
from huggingface_hub import HfApi, hf_hub_download, snapshot_download, get_token
what, repo, folder = sys.argv[1:4]
if what == "upload":
    api = HfApi()
    api.create_repo(repo, exist_ok=True, private=True)
    print(api.upload_folder(repo_id=repo, folder_path=folder).oid)
elif what == "snapshot":
    print(snapshot_download(repo))
elif what == "file":
    print(hf_hub_download(repo, folder))
elif what == "whoami":
    print(HfApi().whoami()["name"], get_token())
"""


def python(hub: Hub, home: pathlib.Path, *args: object) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    env |= hub.env | {"HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", CLIENT, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode != 0:
        sys.exit(f"FAILED  huggingface_hub {args}: {done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def same(what: str, got: dict[str, bytes], want: dict[str, bytes]) -> None:
    if got != want:
        sys.exit(f"FAILED  {what}: {sorted(set(got) ^ set(want)) or [n for n in got if got[n] != want[n]]}")
    print(f"ok      {what}: {len(want)} files, {sum(map(len, want.values()))} bytes")


for way, hub in [("whole", Hub()), ("in parts", Hub("1000000")), ("by Xet", Hub("xet"))]:
    here = place / way.replace(" ", "-")
    home = here / "home"

    # One token for both.
    earmark(hub, home, "login", text=TOKEN + "\n")
    assert python(hub, home, "whoami", "-", "-") == f"earmark {TOKEN}", "Python does not find the token we kept"

    # Ours to theirs.
    ours = model(here / "ours", 1)
    earmark(hub, home, "push", str(ours), "--repo", "earmark/ours", "--private")
    snapshot = pathlib.Path(python(hub, home, "snapshot", "earmark/ours", "-"))
    same(f"pushed {way}, snapshot_download", files(snapshot), files(ours))
    name = "sounds & more/a #1 ü.wav"
    earmark(hub, here / "other", "login", text=TOKEN + "\n")
    one = pathlib.Path(python(hub, here / "other", "file", "earmark/ours", name))
    same(f"pushed {way}, hf_hub_download", {name: one.read_bytes()}, {name: files(ours)[name]})

    # Theirs to ours, and one cache for both.
    theirs = model(here / "theirs", 2)
    python(hub, home, "upload", "earmark/theirs", theirs)
    before = hub.moved()
    earmark(hub, home, "inspect", "earmark/theirs")
    (commit,) = (home / "hub/models--earmark--theirs/snapshots").iterdir()
    wanted = {"config.json", "preprocessor_config.json", "model.safetensors"}
    same(f"upload_folder {way}, earmark", files(commit), {n: d for n, d in files(theirs).items() if n in wanted})
    ours_took = hub.moved()[0] - before[0]
    snapshot = pathlib.Path(python(hub, home, "snapshot", "earmark/theirs", "-"))
    same(f"upload_folder {way}, one cache", files(snapshot), files(theirs))
    assert hub.moved()[0] - before[0] - ours_took == 1, "Python fetched again what was in the cache"
    before = hub.moved()
    earmark(hub, home, "inspect", "earmark/ours")
    assert hub.moved() == before, "earmark fetched again what Python had fetched"

    # What both sent is the same to both: nothing is sent twice.
    before = hub.moved()
    earmark(hub, home, "push", str(theirs), "--repo", "earmark/theirs")
    if way != "by Xet":  # By Xet, Python does not ask whether the Hub has a file.
        python(hub, home, "upload", "earmark/ours", ours)
    assert hub.moved() == before, "a file went to the storage twice"
    print(f"ok      {way}: the cache and the token are shared, and nothing is sent twice")

    if arguments.run:
        run = pathlib.Path(arguments.run)
        earmark(hub, home, "push", str(run), "--repo", "run")
        snapshot = pathlib.Path(python(hub, home, "snapshot", "earmark/run", "-"))
        got, want = files(snapshot), files(run / "model")
        card = got.pop("README.md").decode()
        assert "--model earmark/run\n" in card and 'model="earmark/run"' in card, card
        want.pop("README.md")
        want |= {n: (run / n).read_bytes() for n in ["report.html", "confusion_matrix.svg", "metrics.jsonl"]}
        want |= {f"runs/{n}": d for n, d in files(run / "tensorboard").items()}
        same(f"a run pushed {way}", got, want)

        # Its scores, as if its clips were of a dataset of the Hub.
        scores = here / "scores"
        earmark(hub, home, "eval", str(run), "-o", str(scores))
        report = json.loads((scores / "report.json").read_text())
        report |= {"hub_dataset": {"id": "owner/clips", "config": "all", "split": "train"}, "dataset_commit": "0e" * 20}
        (scores / "report.json").write_text(json.dumps(report))
        earmark(hub, home, "push", str(run), "--repo", "run", "--evaluation", str(scores))
        snapshot = pathlib.Path(python(hub, home, "snapshot", "earmark/run", "-"))
        card = ModelCard((snapshot / "README.md").read_text(encoding="utf-8"))
        of = [r for r in card.data.eval_results if r.dataset_type == "owner/clips"]
        values = {(r.metric_name, r.metric_type): r.metric_value for r in of}
        assert values[("Accuracy", "accuracy")] == report["accuracy"] and values[("Macro F1", "f1")] == report["macro_f1"], values
        assert {(r.dataset_config, r.dataset_split, r.dataset_revision) for r in of} == {("all", "train", "0e" * 20)}, of
        assert len(card.data.eval_results) == len(of) + 1, "the training's own score is no longer there"
        (file,) = (snapshot / ".eval_results").iterdir()
        (entry,) = parse_eval_result_entries(yaml.safe_load(file.read_text(encoding="utf-8")))
        assert (entry.dataset_id, entry.task_id, entry.dataset_revision) == ("owner/clips", "all", "0e" * 20), entry
        assert entry.value == report["accuracy"] and isinstance(entry.date, str) and entry.source_url, entry
        print(f"ok      an evaluation pushed {way}: {len(of)} metrics on the card, {file.name} with {entry.value}")
    hub.process.stdin.close()
    hub.process.wait()
