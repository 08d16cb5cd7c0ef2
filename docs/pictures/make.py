#!/usr/bin/env python3
"""Makes the pictures of README.md: what a terminal of 80 columns shows, as SVG, and a run's report, as PNG.

    cargo xtask pictures        # builds `earmark`, brings the package `pyte`, and calls this

Each command runs in a pseudo-terminal of its own, and a terminal emulator keeps what it leaves on the screen, so a picture
shows what a person sees. `classify-running.svg` and `train-running.svg` are taken while the command runs.
"""

import argparse
import fcntl
import html
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import wave
from pathlib import Path

import pyte

COLUMNS = 80
ROWS = 200
CELL = (8.4, 18.0)  # of 14 px monospace
MARGIN = 16.0
NO_BREAK = "\u00a0"  # SVG folds plain spaces
COLOURS = {
    "default": "#d8dee9", "black": "#4c566a", "red": "#f07178", "green": "#a3be8c", "brown": "#ebcb8b",
    "blue": "#81a1c1", "magenta": "#b48ead", "cyan": "#88c0d0", "white": "#eceff4",
}


def run(command, folder, until=None):
    """Runs a command in a pseudo-terminal; returns its last lines, or those when `until` is first on the screen."""
    screen = pyte.Screen(COLUMNS, ROWS)
    screen.set_mode(pyte.modes.LNM)
    stream = pyte.ByteStream(screen)
    child, master = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), EARMARK_RUNS="runs", EARMARK_DATA="data")
        os.environ.pop("NO_COLOR", None)
        os.execvp(command[0], command)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    while True:
        ready, _, _ = select.select([master], [], [], 0.1)
        if ready:
            try:
                data = os.read(master, 65536)
            except OSError:  # how Linux says that the other end is closed
                data = b""
            if not data:
                break
            stream.feed(data)
        if until is not None and any(until in line for line in screen.display):
            time.sleep(0.3)
            os.kill(child, signal.SIGKILL)
            break
    _, status = os.waitpid(child, 0)
    if until is None and os.waitstatus_to_exitcode(status) != 0:
        sys.exit("\n".join(line.rstrip() for line in screen.display if line.strip()) + f"\n{command} failed")
    lines = [row_of(screen, y) for y in range(ROWS)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def row_of(screen, y):
    """The runs of equal look of a line: (column, text, colour, bold)."""
    row, runs = screen.buffer[y], []
    for x in range(COLUMNS):
        cell = row[x]
        look = (COLOURS.get(cell.fg, f"#{cell.fg}"), cell.bold)
        if runs and runs[-1][2:] == look:
            runs[-1] = (runs[-1][0], runs[-1][1] + cell.data, *look)
        else:
            runs.append((x, cell.data, *look))
    if runs and not runs[-1][1].strip():
        runs.pop()
    return [(x, text.rstrip() if x == runs[-1][0] else text, *look) for x, text, *look in runs]


def typed(text):
    return [(0, "$ ", COLOURS["green"], True), (2, text, COLOURS["white"], True)]


def svg(title, lines):
    width = COLUMNS * CELL[0] + 2 * MARGIN
    height = len(lines) * CELL[1] + 3.5 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{html.escape(title)}">',
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#2e3440"/>',
        *(f'<circle cx="{18 + 18 * i}" cy="16" r="5.5" fill="{c}"/>' for i, c in enumerate(["#f07178", "#ebcb8b", "#a3be8c"])),
        '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="14">',
    ]
    for number, line in enumerate(lines):
        y = 2.5 * MARGIN + (number + 0.5) * CELL[1]
        for x, text, colour, bold in line:
            if not text.strip():
                continue
            weight = ' font-weight="bold"' if bold else ""
            length = f'textLength="{len(text) * CELL[0]:.1f}" lengthAdjust="spacingAndGlyphs"'
            out.append(f'<text x="{MARGIN + x * CELL[0]:.1f}" y="{y:.1f}" fill="{colour}"{weight} {length}>{html.escape(text).replace(" ", NO_BREAK)}</text>')
    return "\n".join([*out, "</g>", "</svg>", ""])


def join(sounds, path):
    """One recording of many clips, all of one format."""
    with wave.open(str(path), "wb") as out:
        for number, sound in enumerate(sounds):
            with wave.open(str(sound)) as clip:
                if number == 0:
                    out.setparams(clip.getparams())
                out.writeframes(clip.readframes(clip.getnframes()))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--earmark", required=True, type=Path, help="the built command")
    parser.add_argument("--out", required=True, type=Path, help="the folder of the pictures")
    parser.add_argument("--browser", default=shutil.which("chromium") or shutil.which("google-chrome"), help="for the report")
    args = parser.parse_args()
    earmark, out = str(args.earmark.resolve()), args.out.resolve()

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)

        def draw(name, title, *commands, until=None):
            """The commands and what they leave on the screen, one below the other."""
            lines = []
            for command in commands:
                lines += [[]] * bool(lines) + [typed("earmark " + " ".join(command)), *run([earmark, *command], folder, until)]
            (out / name).write_text(svg(title, lines))

        train = ["train", "--sample", "--output", "runs/sample"]
        draw("train-running.svg", "earmark train, halfway", train, until="    5 ")
        shutil.rmtree(folder / "runs")
        draw("train.svg", "earmark train, and what it leaves", train)

        sounds = sorted((folder / "data").rglob("*.wav"))
        (folder / "clips").mkdir()
        for sound in sounds[::40]:
            shutil.copy(sound, folder / "clips" / sound.name.replace(".", "-", 1))
        join(sounds, folder / "night.wav")
        model = ["--model", "runs/sample/model"]
        windows = ["classify", "night.wav", *model, "--window", "3s", "-o", "night.csv"]
        draw("classify-running.svg", "earmark classify over a long recording", windows, until="real time")
        for rest in folder.glob("night.csv*"):
            rest.unlink()
        draw("terminal.svg", "A folder and a long recording classified in a terminal", ["classify", "clips", *model], windows)
        if args.browser is None:
            sys.exit("the report needs a browser: install chromium, or name one by --browser")
        report = folder / "runs/sample/report.html"
        subprocess.run(
            [args.browser, "--headless", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=1.5",
             "--window-size=1000,1100", f"--screenshot={out / 'report.png'}", report.as_uri()],
            check=True, stderr=subprocess.DEVNULL,
        )


main()
