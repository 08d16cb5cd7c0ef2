#!/usr/bin/env python3
"""`earmark serve` beside a Gradio app with the same model: 64 clients on loopback, on the same cores, in turn.

    pip install -r bench/requirements.txt
    python bench/serve.py [--seconds 60] [--rounds 1] [--clients 64] [--model tests/golden/speech/group]

Every client has a connection of its own and asks again as soon as it is answered. A side is asked in two ways: by `POST /api/classify`,
which only we have, and by Gradio's protocol, in which a classification is an upload, a call and the event stream of its answer.
Gradio's app is `gradio.Interface` around the transformers pipeline, which is handed decoded samples, as ffmpeg would cost it more;
its queue runs one call at a time, which is its default, and in another turn as many as `--concurrency` says.

The clients are one process that waits by epoll; the table says how much of a core it took.
"""

import argparse
import io
import json
import math
import os
import select
import socket
import statistics
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import process

ROOT = Path(__file__).resolve().parent.parent
EDGE = "----edge"
# How long a server may take to start: Gradio's imports torch.
START = 180.0

# What a client does: it gives a request, is sent the status and the body of the answer, and ends when it has its labels.
Client = Generator[bytes, tuple[int, bytes], None]


class Refused(Exception):
    """An answer that is none."""


@dataclass
class Turn:
    """What one side did in one turn."""

    side: str
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    # Resident set of the server in MB, ten seconds after the start, or at half of a shorter turn, and at the end.
    early_mb: float = 0.0
    end_mb: float = 0.0
    # Cores that the server and the clients took.
    server_cores: float = 0.0
    client_cores: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds


def clip() -> bytes:
    """Half a second of a tone, 16-bit at 16 kHz."""
    samples = b"".join(int(12_000 * math.sin(i * 0.17)).to_bytes(2, "little", signed=True) for i in range(8000))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(samples)
    return out.getvalue()


def request(method: str, path: str, host: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def expect(answer: tuple[int, bytes]) -> bytes:
    status, body = answer
    if status != 200:
        raise Refused(f"{status}")
    return body


def direct(host: str) -> Callable[[], Client]:
    asked = request("POST", "/api/classify", host, clip(), "audio/wav")

    def client() -> Client:
        if b'"predictions"' not in expect((yield asked)):
            raise Refused("no predictions")

    return client


def gradio(host: str) -> Callable[[], Client]:
    form = f'--{EDGE}\r\nContent-Disposition: form-data; name="files"; filename="tone.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    form_bytes = form.encode() + clip() + f"\r\n--{EDGE}--\r\n".encode()
    upload = request("POST", "/gradio_api/upload", host, form_bytes, f"multipart/form-data; boundary={EDGE}")

    def client() -> Client:
        path = json.loads(expect((yield upload)))[0]
        data = {"data": [{"path": path, "orig_name": "tone.wav", "meta": {"_type": "gradio.FileData"}}]}
        call = request("POST", "/gradio_api/call/predict", host, json.dumps(data).encode())
        event = json.loads(expect((yield call)))["event_id"]
        answer = expect((yield request("GET", f"/gradio_api/call/predict/{event}", host)))
        if b"event: complete" not in answer or b'"confidences"' not in answer:
            raise Refused("no confidences")

    return client


class Connection:
    """A client's connection, and how much of an answer has come."""

    def __init__(self, address: tuple[str, int], make: Callable[[], Client]) -> None:
        self.address, self.make = address, make
        self.socket = self.connect()
        self.begin()

    def connect(self) -> socket.socket:
        made = socket.create_connection(self.address)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def begin(self) -> None:
        self.client, self.began = self.make(), time.perf_counter()
        self.send(next(self.client))

    def send(self, asked: bytes) -> None:
        self.received = b""
        self.socket.sendall(asked)

    def take(self) -> tuple[int, bytes] | None:
        """Reads what is there; the answer, once it is whole."""
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise ConnectionError("closed")
        self.received += piece
        head, edge, body = self.received.partition(b"\r\n\r\n")
        if not edge:
            return None
        status, lower = int(head[9:12]), head.lower()
        if b"transfer-encoding: chunked" in lower:
            return (status, body) if body.endswith(b"0\r\n\r\n") else None
        length = lower.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return (status, body) if len(body) >= int(length) else None


def drive(turn: Turn, address: tuple[str, int], make: Callable[[], Client], clients: int, seconds: float, watch: Callable[[], float]) -> None:
    """Lets the clients ask for so long; an answer that comes later does not count."""
    began, cpu = time.perf_counter(), time.process_time()
    connections = {made.socket.fileno(): made for made in (Connection(address, make) for _ in range(clients))}
    waiting = select.epoll()
    for number in connections:
        waiting.register(number, select.EPOLLIN)
    early = min(10.0, seconds / 2)
    while (now := time.perf_counter() - began) < seconds:
        if not turn.early_mb and now >= early:
            turn.early_mb = watch()
        for number, _ in waiting.poll(0.1):
            connection = connections[number]
            try:
                answer = connection.take()
                if answer is None:
                    continue
                try:
                    connection.send(connection.client.send(answer))
                except StopIteration:
                    turn.latencies.append(time.perf_counter() - connection.began)
                    connection.begin()
            except (Refused, ConnectionError, ValueError, KeyError, IndexError) as error:
                turn.errors[repr(error)] = turn.errors.get(repr(error), 0) + 1
                waiting.unregister(number)
                connection.socket.close()
                del connections[number]
                connection = Connection(address, make)
                connections[connection.socket.fileno()] = connection
                waiting.register(connection.socket.fileno(), select.EPOLLIN)
    turn.seconds, turn.end_mb = time.perf_counter() - began, watch()
    turn.client_cores = (time.process_time() - cpu) / turn.seconds
    waiting.close()
    for connection in connections.values():
        connection.socket.close()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(side: str, command: list[str], make: Callable[[str], Callable[[], Client]], args: argparse.Namespace) -> Turn:
    """Starts a server, warms it up, and asks it."""
    turn = Turn(side)
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as server:
        try:
            assert server.stdout
            ready, _, _ = select.select([server.stdout], [], [], START)
            host = server.stdout.readline().strip().removeprefix("http://") if ready else ""
            if not host:
                raise SystemExit(f"{side} did not start: {' '.join(command)}")
            name, _, port = host.rpartition(":")
            address = (name, int(port))
            drive(Turn("warm up"), address, make(host), args.clients, min(3.0, args.seconds / 4), lambda: 0.0)
            cpu = cpu_seconds(server.pid)
            drive(turn, address, make(host), args.clients, args.seconds, lambda: process.resident_mb(server.pid))
            turn.server_cores = (cpu_seconds(server.pid) - cpu) / turn.seconds
        finally:
            server.kill()
    print(f"    {side}: {turn.rate:.1f} requests/s, errors: {turn.errors or 'none'}", file=sys.stderr, flush=True)
    return turn


def app(model: str, concurrency: int) -> None:
    """The Gradio app, in a process of its own; prints its address."""
    import gradio
    import soundfile
    import transformers

    pipeline = transformers.pipeline("audio-classification", model=model)

    def predict(path: str) -> dict[str, float]:
        samples, rate = soundfile.read(path, dtype="float32")
        found = pipeline({"raw": samples, "sampling_rate": rate})
        return {row["label"]: row["score"] for row in found}

    page = gradio.Interface(predict, gradio.Audio(type="filepath"), gradio.Label(num_top_classes=5), api_name="predict")
    page.queue(default_concurrency_limit=concurrency)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet = io.StringIO()
    out, sys.stdout = sys.stdout, quiet
    page.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True, ssr_mode=False)
    sys.stdout = out
    print(f"http://127.0.0.1:{port}", flush=True)
    page.block_thread()


def table(turns: list[Turn], args: argparse.Namespace) -> None:
    sides = list(dict.fromkeys(turn.side for turn in turns))
    rates = {side: statistics.median(turn.rate for turn in turns if turn.side == side) for side in sides}
    best = max((rates[side] for side in sides if side.startswith("Gradio")), default=0.0)
    print(f"\n{args.clients} clients, {args.seconds:.0f} s, turns of each side: {args.rounds}; medians of the turns.\n")
    print("| | requests/s | of the best Gradio | p50, ms | p95 | p99 | errors | MB early, end | cores: server, clients |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for side in sides:
        mine = [turn for turn in turns if turn.side == side]

        def median(value: Callable[[Turn], float]) -> float:
            return statistics.median(value(turn) for turn in mine)

        def centile(share: float) -> str:
            return f"{1000 * median(lambda t: sorted(t.latencies)[int(share * (len(t.latencies) - 1))] if t.latencies else math.nan):.1f}"

        ratio = f"{rates[side] / best:.1f}" if best else "–"
        memory = f"{median(lambda t: t.early_mb):.0f}, {median(lambda t: t.end_mb):.0f}"
        cores = f"{median(lambda t: t.server_cores):.2f}, {median(lambda t: t.client_cores):.2f}"
        errors = sum(sum(turn.errors.values()) for turn in mine)
        print(f"| {side} | {rates[side]:.1f} | {ratio} | {centile(0.5)} | {centile(0.95)} | {centile(0.99)} | {errors} | {memory} | {cores} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--earmark", type=Path, default=ROOT / "target/release/earmark", help="the binary to measure")
    parser.add_argument("--model", default=str(ROOT / "tests/golden/speech/group"), help="a model's folder")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each turn [60]")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=1, help="turns of each side [1]")
    parser.add_argument("--concurrency", type=int, default=os.cpu_count() or 1, help="calls that Gradio runs at once in its second turn [cores]")
    parser.add_argument("--only", choices=["earmark", "gradio"], help="one of the two")
    parser.add_argument("--results", type=Path, help="where every turn goes, as JSON")
    parser.add_argument("--app", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.app:
        return app(args.model, args.app)
    ours = [str(args.earmark), "serve", "--model", args.model, "--port", "0", "--no-open", "--offline"]
    theirs = [sys.executable, __file__, "--model", args.model, "--app"]
    sides = [
        ("earmark, POST /api/classify", ours, direct),
        ("earmark, Gradio's protocol", ours, gradio),
        ("Gradio, one call at a time", [*theirs, "1"], gradio),
        (f"Gradio, {args.concurrency} calls at a time", [*theirs, str(args.concurrency)], gradio),
    ]
    sides = [side for side in sides if not args.only or side[0].lower().startswith(args.only)]
    turns = []
    for number in range(args.rounds):
        # Nobody is always first.
        for side in sides[number % len(sides) :] + sides[: number % len(sides)]:
            turns.append(measure(*side, args))
    if args.results:
        args.results.write_text(json.dumps([asdict(turn) for turn in turns]))
    table(turns, args)


if __name__ == "__main__":
    main()
