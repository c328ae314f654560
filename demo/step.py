"""Run one step of a longer job and say how it goes.

    python step.py [--show] TITLE -- COMMAND [ARGUMENT ...]

Prints the title, a sign of life at least every twenty seconds, and the time taken. What the command prints goes to
.cache/steps/<title>.log and is shown only when the command fails, or all along with --show. Exits as the command does.
Where WHEELHOUSE_LANE is set, as in `make test`, it is the beginning of each line.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

LOGS = Path(__file__).resolve().parents[1] / ".cache" / "steps"
LANE = os.environ.get("WHEELHOUSE_LANE", "")
SIGN_OF_LIFE = 20  # seconds
LAST_LINES = 60


def clock(seconds: float) -> str:
    """Seconds as 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def tell(text: str) -> None:
    """Print a line, with the name of the lane before it where several are at work (see `make test`)."""
    print(f"{LANE:>8} │ {text}" if LANE else text, flush=True)


def run(title: str, command: list[str], show: bool) -> int:
    """Run `command`, telling of it; returns its exit code."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / (re.sub(r"\W+", "-", f"{LANE} {title}").strip("-").lower() + ".log")
    started = time.monotonic()
    ended = threading.Event()
    last_line = ""
    tell(f"==> {title}")

    def signs_of_life() -> None:
        while not ended.wait(SIGN_OF_LIFE):
            tell(f"    … {clock(time.monotonic() - started)}  {last_line[:100]}")

    if not show:
        threading.Thread(target=signs_of_life, daemon=True).start()
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        for line in process.stdout or ():
            stream.write(line)
            last_line = line.strip() or last_line
            if show:
                tell("    " + line.rstrip("\n"))
        code = process.wait()
    ended.set()
    if code and not show:
        for line in log.read_text().splitlines()[-LAST_LINES:]:
            tell(f"    | {line}")
    tell(f"    {f'failed (exit code {code})' if code else 'done'} in {clock(time.monotonic() - started)}")
    return code


def main() -> int:
    """Read the command line and run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="show what the command prints as it comes")
    parser.add_argument("title")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    return run(arguments.title, arguments.command, arguments.show)


if __name__ == "__main__":
    sys.exit(main())
