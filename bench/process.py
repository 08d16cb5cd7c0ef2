"""Runs a command to its end: its lines with their times, its wall time, its peak of memory."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = os.sysconf("SC_PAGE_SIZE")
# No turn takes so long, an hour's recording included: in seconds.
PATIENCE = 1800.0


class Failed(Exception):
    """A command that gave no result, and why."""


class TooMuchMemory(Failed):
    """It was ended, as it held more than it may."""


@dataclass
class Done:
    """A command that ended well."""

    seconds: float
    # Resident set of the whole process, in MB of 10⁶ bytes. Linux counts the moment before exec as well, when a child is
    # still a copy of us, so it is never below our own, about 20 MB: this program must import no library.
    peak_mb: float
    # Each line of stdout, with the seconds since the start at which it came.
    lines: list[tuple[float, str]]
    # What others computed meanwhile, as a share of all cores.
    others: float


class Guard:
    """Ends a process whose resident set passes a limit, or that does not end."""

    def __init__(self, pid: int, limit_mb: float) -> None:
        self.pid, self.limit, self.end = pid, limit_mb, time.monotonic() + PATIENCE
        # Which of the two it was.
        self.passed = self.late = False
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self) -> None:
        while not self.over.wait(0.2):
            self.passed, self.late = resident_mb(self.pid) > self.limit, time.monotonic() > self.end
            if self.passed or self.late:
                os.kill(self.pid, signal.SIGKILL)
                return

    def close(self) -> None:
        self.over.set()
        self.thread.join()


def resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6
    except (OSError, IndexError):
        return 0.0


def busy_s() -> float:
    """Seconds that all cores have worked since the system started, the time that the host took from it among them."""
    user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def available_mb() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("inf")


def run(command: list[Any], environment: Mapping[str, str], limit_mb: float = 16_000.0) -> Done:
    """Runs it; raises `Failed` with the end of its stderr when it does not end well.

    The limit is lower where less is free: a benchmark that swaps measures nothing, and may end somebody else's work.
    """
    limit_mb = min(limit_mb, available_mb() - 1000)
    words = [str(word) for word in command]
    with tempfile.TemporaryFile("w+") as complaints:
        begin, busy = time.perf_counter(), busy_s()
        try:
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=complaints, text=True, env=dict(environment))
        except OSError as error:
            raise Failed(f"cannot start `{words[0]}`: {error.strerror}") from error
        guard = Guard(process.pid, limit_mb)
        assert process.stdout
        lines = [(time.perf_counter() - begin, line.rstrip("\n")) for line in process.stdout]
        # Waits and leaves it to be reaped: until the guard is gone, the number must stay this process's.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        seconds, busy = time.perf_counter() - begin, busy_s() - busy
        guard.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        if guard.passed:
            raise TooMuchMemory(f"ended: it passed {limit_mb / 1000:.1f} GB")
        if guard.late:
            raise Failed(f"ended: it took more than {PATIENCE / 60:.0f} minutes")
        if process.returncode:
            complaints.seek(0)
            said = [line for line in complaints.read().splitlines() if line.strip()]
            why = said[-1].strip() if said else "it said nothing"
            raise Failed(f"ended with {process.returncode}: {why[:300]}")
    others = max(0.0, busy - usage.ru_utime - usage.ru_stime) / (seconds * (os.cpu_count() or 1))
    return Done(seconds, usage.ru_maxrss * 1024 / 1e6, lines, others)
