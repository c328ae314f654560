# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""All checks, side by side where they do not wait for each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from wheelhouse_doctor import conda, credentials, environment, index, machine, pip, poetry, proxy, sources, uv
from wheelhouse_doctor.findings import Finding, explained, fail, is_busy, too_slow
from wheelhouse_doctor.settings import Settings

LONGEST = 20.0
"""Seconds after which what is still under way is given up."""


class Part(threading.Thread):
    """A part of the checks. What it has found by now is in `findings`; it never ends the program."""

    def __init__(self, name: str, look: Callable[[], Iterator[Finding]]) -> None:
        super().__init__(daemon=True, name=name)
        self.findings: list[Finding] = []
        self._look = look

    def run(self) -> None:
        try:
            for finding in self._look():
                self.findings.append(finding)
        except Exception as error:
            # the words of an exception may quote what is secret
            problem = f"The doctor itself failed here ({type(error).__name__}), which tells nothing about this machine."
            self.findings.append(fail(self.name, "", problem, "Show this to IT."))


def all_parts(settings: Settings, environ: Mapping[str, str]) -> list[Part]:
    """The parts, in the order in which they are reported."""
    pips: list[str | None] = list(pip.at_hand(environ)) or [None]
    return [
        Part("proxy settings", partial(environment.check, settings, environ)),
        Part("proxy", partial(proxy.look, settings, environ)),
        Part("credentials", partial(credentials.check, settings, environ)),
        Part("index", partial(index.look, settings, environ)),
        *(Part("pip", partial(pip.look, settings, environ, one)) for one in pips),
        Part("uv", partial(uv.look, settings, environ)),
        Part("Poetry", partial(poetry.look, settings, environ)),
        Part("conda", partial(conda.look, settings, environ)),
        Part("other sources", partial(sources.look, settings, environ)),
        Part("disk", partial(machine.disk, environ)),
    ]


def run_checks(settings: Settings, environ: Mapping[str, str], tell: Callable[[list[str]], None]) -> list[Finding]:
    """All findings. `tell` is called several times a second with the names of what is still under way."""
    parts = all_parts(settings, environ)
    end = time.monotonic() + LONGEST
    for part in parts:
        part.start()
    while (running := [part for part in parts if part.is_alive()]) and time.monotonic() < end:
        tell([part.name for part in running])
        running[0].join(timeout=0.1)
    findings = []
    for part in parts:
        findings += part.findings
        if part.is_alive():
            problem = f"This part was not done after {LONGEST:g} s"
            if is_busy():
                findings.append(too_slow(part.name, "", problem))
            else:
                findings.append(fail(part.name, "", f"{problem}.", "Try again; if it stays so, show this to IT."))
    return explained(sources.without_what_others_tell(findings))
