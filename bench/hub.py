"""Time and memory of a push and a fetch of one large file, ours beside Python's, by Xet and without it, against the loopback Hub.

python bench/hub.py HUB TRANSFER [--mb 200] [--turns 3]        (huggingface_hub 2.4.0, hf_xet)

HUB and TRANSFER are examples: `cargo build --release -p earmark-testkit -p earmark-hub --example hub --example transfer`. Hub, storage and client share the machine, so the times compare the clients and say nothing of a
network. Prints the medians: seconds, and the largest resident memory in MB.
"""

import argparse
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("hub")
p.add_argument("transfer")
p.add_argument("--mb", type=int, default=200)
p.add_argument("--turns", type=int, default=3)
a = p.parse_args()

# As the example `transfer`, with Python's client.
CLIENT = """
import pathlib, sys, time
from huggingface_hub import HfApi, hf_hub_download
what, repo, file = sys.argv[1:]
begun = time.monotonic()
if what == "push":
    api = HfApi()
    api.create_repo(repo, exist_ok=True)
    api.upload_file(repo_id=repo, path_or_fileobj=file, path_in_repo=file.rsplit("/", 1)[-1])
else:
    print(hf_hub_download(repo, file))
seconds = time.monotonic() - begun
status = pathlib.Path("/proc/self/status").read_text()  # ru_maxrss would be that of whoever started this, too
print(f"{seconds:.2f} {int(status.split('VmHWM:')[1].split()[0]) // 1024}")
"""


def measure(xet: bool, client: list[str]) -> tuple[list[float], list[float]]:
    """Seconds and MB of a push, then of a fetch, each with a Hub, a repository and a cache of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "model.safetensors")
        draw = random.Random(1)
        with file.open("wb") as out:
            out.writelines(draw.randbytes(1_000_000) for _ in range(a.mb))
        hub = subprocess.Popen([a.hub, *["xet"] * xet], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))} | {
            "HF_ENDPOINT": hub.stdout.readline().strip(),
            "HF_TOKEN": "hf_loopback_write",
            "HF_HUB_DISABLE_XET": str(int(not xet)),
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        out = []
        for arguments in [["push", "earmark/large", str(file)], ["fetch", "earmark/large", file.name]]:
            home = {"HF_HOME": str(pathlib.Path(folder, arguments[0]))}
            done = subprocess.run(client + arguments, env=env | home, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr[-2000:])
            *path, numbers = done.stdout.strip().splitlines()
            if path and pathlib.Path(path[0]).read_bytes() != file.read_bytes():
                sys.exit("other bytes came than went")
            out.append([float(number) for number in numbers.split()])
        hub.stdin.close()
        hub.wait()
        return out


clients = {"earmark-hub": [a.transfer], "huggingface_hub": [sys.executable, "-c", CLIENT]}
ways = [(name, xet) for xet in [True, False] for name in clients]
found: dict[tuple[str, bool], list] = {way: [] for way in ways}
for _ in range(a.turns):
    for name, xet in ways:
        found[name, xet].append(measure(xet, clients[name]))
print(f"{a.mb} MB: push s, push MB, fetch s, fetch MB; medians of {a.turns}")
for (name, xet), turns in found.items():
    numbers = [statistics.median(turn[step][n] for turn in turns) for step in range(2) for n in range(2)]
    print(f"{name:16} {'Xet' if xet else 'plain':6} {numbers[0]:6.2f} {numbers[1]:6.0f} {numbers[2]:6.2f} {numbers[3]:6.0f}")
