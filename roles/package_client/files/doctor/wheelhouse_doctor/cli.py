# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The command line."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import threading
import time

from wheelhouse_doctor import report, settings
from wheelhouse_doctor.findings import FAIL, Finding, fail
from wheelhouse_doctor.runner import LONGEST, run_checks

DESCRIPTION = """\
Walk the path that a package takes to this machine, and say what is wrong on it, in a sentence, and what to do.

Looked at, as the tools of this shell see it:
  proxy       the variables, in both spellings; its name and port; which authentication it offers and whether it
              accepts the account in HTTPS_PROXY; whose certificate is shown behind it
  index       its name and port, its certificate, whether it accepts the account in ~/.netrc
  tools       which index pip (on the PATH, of the active virtualenv and of .venv here), uv, Poetry and conda use,
              and which file or variable says so
  machine     the clock, and room on the disk

What a fault elsewhere explains is skipped, so that one cause gives one failure. Nothing is changed, and no password is
shown. Passwords are tried once, and not where they cannot help.
"""
EPILOG = """\
exit codes:
  0    everything works
  1    something is wrong; the report says what, and what to do
  2    wrong use of this command

files and variables:
  /etc/wheelhouse/doctor.json     the index and the CA of the company; IT's playbook writes it
  /etc/wheelhouse/people/         the proxy environment that IT has set for each person
  HTTPS_PROXY, NO_PROXY, ...      in capitals and in small letters
  NETRC                           another file than ~/.netrc
  NO_COLOR                        no colours, also on a terminal

examples:
  wheelhouse-doctor                     in the shell in which something does not work
  corporate-env wheelhouse-doctor       where no login shell has set the proxy
  wheelhouse-doctor --json | jq -r '.findings[] | select(.verdict == "fail").sentence'
"""


class Progress:
    """A line on a terminal that says what is waited for, from the second second on."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._width = 0

    def tell(self, running: list[str]) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._begin > 1:
            line = "Looking at: " + ", ".join(dict.fromkeys(running))
            print(f"\r{line:<{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = len(line)

    def erase(self) -> None:
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None, settings_file: str = settings.FILE) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="wheelhouse-doctor",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="the report as one JSON document")
    options = parser.parse_args(arguments)
    # whatever hangs, and it may be the home's file server, this command ends
    watchdog = threading.Timer(LONGEST + 15, _give_up)
    watchdog.daemon = True
    watchdog.start()
    try:
        begin = time.monotonic()
        findings = _findings(settings_file)
        if options.json:
            _say(report.as_json(findings, time.monotonic() - begin))
        else:
            colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
            width = min(shutil.get_terminal_size((100, 24)).columns, 120)
            _say(report.table(findings, width, colour))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as `| head` leaves
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        watchdog.cancel()
    return 1 if any(finding.verdict == FAIL for finding in findings) else 0


def _give_up() -> None:
    os.write(2, b"The doctor itself was stopped, since something on this machine does not answer. Show this to IT.\n")
    os._exit(1)


def _findings(settings_file: str) -> list[Finding]:
    try:
        company = settings.read(settings_file)
    except settings.Missing as problem:
        return [fail("settings", settings_file, str(problem), "Ask IT to run site.yml for this machine.")]
    try:
        os.getcwd()
    except OSError:  # the directory of this shell was deleted
        os.chdir("/")
    progress = Progress()
    try:
        return run_checks(company, dict(os.environ), progress.tell)
    finally:
        progress.erase()


def _say(text: str) -> None:
    # a file or a name may be spelled in letters that this terminal does not have
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a text stream has it
    print(text, flush=True)
