"""Does `earmark serve` do what its OpenAPI document says, and are its metrics what Prometheus reads?

Schemathesis makes requests of `/openapi.json`, right and wrong ones, and checks every answer against it.
"""

import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import common
import serving
from prometheus_client.openmetrics.parser import text_string_to_metric_families

METRICS = {
    "earmark_responses": "counter", "earmark_classify_duration_seconds": "histogram", "earmark_queue_waiting": "gauge",
    "earmark_batch_size": "histogram", "earmark_audio_seconds": "counter", "earmark_forward_duration_seconds": "histogram",
}

# A request whose parameters are right one by one may be wrong as a whole (`hop` without `window`, `end` before `start`), ask for
# more than this model takes, or bring no sound.
CONFIG = """
[generation]
mode = "all"

[checks.positive_data_acceptance]
expected-statuses = [200, 400, 404, 422]
"""
# Every other body is a sound, so that not all are refused for being none.
HOOKS = """
import pathlib

import schemathesis
from hypothesis import strategies
from schemathesis.transport.serialization import Binary

sound = pathlib.Path({sound!r}).read_bytes()
bodies = strategies.one_of(strategies.just(sound), strategies.binary())
schemathesis.openapi.format("binary", bodies.map(Binary))
"""


def check_metrics(address: str) -> None:
    with urllib.request.urlopen(f"{address}/metrics", timeout=60) as answer:
        kind, text = answer.headers["Content-Type"], answer.read().decode()
    assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8", kind
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for name, kind in METRICS.items():
        family = families[name]
        assert family.type == kind and family.documentation and family.samples, family
    samples = [sample for family in families.values() for sample in family.samples]
    value = lambda name: sum(sample.value for sample in samples if sample.name == name)  # noqa: E731
    classified = value("earmark_classify_duration_seconds_count")
    assert classified > 0 and value("earmark_batch_size_count") > 0, text
    assert value("earmark_responses_total") > classified, text
    factor = value("earmark_forward_duration_seconds_sum") / value("earmark_audio_seconds_total")
    print(f"ok      {len(families)} metrics; {classified:.0f} sounds classified with a real-time factor of {factor:.2g}")


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--seed", type=int, default=18, help="of the requests")
    parser.add_argument("--examples", type=int, default=100, help="most requests of each kind for each address")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        [sound] = serving.clips(work, args.seed, 1, 0.1)
        (work / "earmark_hooks.py").write_text(HOOKS.format(sound=str(sound)))
        (work / "schemathesis.toml").write_text(CONFIG)
        environment = {**os.environ, "PYTHONPATH": str(work), "SCHEMATHESIS_HOOKS": "earmark_hooks"}
        models = {"classifier": serving.classifier(), "zero-shot": serving.zero_shot(work / "clap")}
        for name, model in models.items():
            with serving.served(args.earmark, model) as address:
                command = [
                    sys.executable, "-m", "schemathesis.cli", "--config-file", work / "schemathesis.toml", "run",
                    f"{address}/openapi.json", "--seed", args.seed, "--max-examples", args.examples,
                    "--phases", "examples,coverage,fuzzing", "--request-timeout", 60, "--generation-database", "none",
                ]
                if subprocess.run([*map(str, command)], env=environment, cwd=work).returncode:
                    sys.exit(f"FAILED  the answers for the {name} model are not as documented")
                check_metrics(address)
            print(f"ok      {name}: every answer is as documented")


if __name__ == "__main__":
    main()
