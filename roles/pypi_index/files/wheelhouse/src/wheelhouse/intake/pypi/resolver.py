"""From a line to everything it needs, for each target: uv chooses among the candidates.

A line is resolved anew when something it depends on has changed: what it asks for, the targets, uv, or what may be
chosen of one of the projects that uv looked at the last time.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import tomli_w
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version
from simple_repository.model import File
from uv import find_uv_bin

from wheelhouse.errors import Unreachable
from wheelhouse.formats.distribution import parse_filename
from wheelhouse.intake.lock import Closure, Pin
from wheelhouse.intake.pypi.candidates import Candidates
from wheelhouse.intake.pypi.loopback_index import LoopbackIndex
from wheelhouse.intake.request import Line
from wheelhouse.intake.source import MAX_SAID, Unresolvable
from wheelhouse.intake.targets import Target

PATIENCE = 600
"""Seconds for one resolution."""
MAX_NOTES = 3
"""Sentences of ours that follow uv's own words."""
_VIA = "# via "
"""What stands between a pin and what needs it."""


Stated = Mapping[tuple[str, str], list[str]]


@dataclass(frozen=True)
class _Choice:
    version: Version
    needed_by: tuple[str, ...]


class Resolver:
    """Resolves lines through one loopback index, with one cache of uv's."""

    def __init__(
        self, index: LoopbackIndex, candidates: Candidates, targets: tuple[Target, ...], directory: Path
    ) -> None:
        """`directory` is for uv's own files."""
        self._index = index
        self._candidates = candidates
        self._targets = targets
        self._directory = directory
        self._uv = find_uv_bin()
        self._version = subprocess.run([self._uv, "--version"], capture_output=True, text=True, check=True).stdout

    def closure(self, line: Line, last: Closure | None) -> Closure:
        """Everything the line needs; raises `Unresolvable`, `Unreachable`."""
        if last and last.inputs and last.inputs == self._inputs(line, last.asked):
            return last
        chosen: dict[tuple[str, Version], dict[Target, _Choice]] = {}
        for target in self._targets:
            for name, choice in self._resolve(line, target).items():
                chosen.setdefault((name, choice.version), {})[target] = choice
        pins = [self._pin(line, name, version, for_targets) for (name, version), for_targets in chosen.items()]
        asked = tuple(sorted(self._index.asked(line.key)))
        ordered = tuple(sorted(pins, key=lambda pin: (pin.project, pin.version)))
        return Closure(line.text, ordered, self._inputs(line, asked) or "", asked)

    def _resolve(self, line: Line, target: Target) -> dict[str, _Choice]:
        """Project -> what uv chooses for one target; raises `Unresolvable`."""
        while True:
            known = dict(self._index.stated)
            try:
                done = self._run(line, target, known)
            except subprocess.TimeoutExpired:
                raise Unresolvable(
                    f"{line.text!r} cannot be had for {target}: uv looks for longer than {PATIENCE} s."
                ) from None
            if done.returncode and len(known) < len(self._index.stated):
                continue  # it met a source distribution, and what that one needs is known now
            if self._index.failure:
                raise self._index.failure
            if done.returncode:
                raise Unresolvable(self._explained(line, target, done.stderr))
            return dict(_pinned(text) for text in done.stdout.splitlines() if text and not text.startswith("#"))

    def _run(self, line: Line, target: Target, stated: Stated) -> "subprocess.CompletedProcess[str]":
        command = [self._uv, "pip", "compile", "-", "--quiet", "--no-header", "--annotation-style", "line"]
        command += ["--python", sys.executable, "--python-version", target.python, "--python-platform", target.for_uv]
        with tempfile.NamedTemporaryFile("wb", suffix=".toml", dir=self._directory) as settings:
            entries = [
                {"name": name, "version": version, "requires-dist": needs} for (name, version), needs in stated.items()
            ]
            settings.write(tomli_w.dumps({"dependency-metadata": entries}).encode())
            settings.flush()
            return subprocess.run(
                [*command, "--config-file", settings.name],
                input="\n".join(line.requirements),
                env=self._environment(line),
                cwd=self._directory,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )

    def _environment(self, line: Line) -> dict[str, str]:
        """What uv knows: the address of our own service, and nothing of proxies, accounts or settings."""
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self._directory),
            "NO_PROXY": "127.0.0.1",
            "UV_DEFAULT_INDEX": self._index.index(line.key),
            "UV_CACHE_DIR": str(self._directory / "cache"),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_HTTP_RETRIES": "0",
            "UV_HTTP_TIMEOUT": str(PATIENCE),  # a file comes from upstream as a whole before uv gets any of it
        }

    def _explained(self, line: Line, target: Target, stderr: str) -> str:
        """uv's reason on one line, with what the policy kept out of sight of the projects it speaks of."""
        said = " ".join(re.sub(r"[^\x20-\x7e]", " ", stderr).split()).replace(self._index.address, "upstream")
        notes: list[str] = []
        for name in sorted(self._index.asked(line.key)):
            try:
                notes.append(self._note(line, name, said))
            except Unreachable as error:
                notes.append(str(error))
        notes += [sentence for file, sentence in self._index.refused.items() if file.rpartition(".")[0] in said]
        notes = [note for note in dict.fromkeys(notes) if note]
        if any(note.startswith("There is no project") for note in notes):
            said = ""  # uv says the same in many more words
        start = f"{line.text!r} cannot be had for {target}:"
        return " ".join(part for part in (start, said[:MAX_SAID], *notes[:MAX_NOTES]) if part)

    def _note(self, line: Line, name: str, said: str) -> str:
        """What the policy keeps out of sight of a project, if uv speaks of it; raises `Unreachable`."""
        seen = self._candidates.project(name)
        if seen.note or name not in said:
            return seen.note
        asked = [Requirement(text) for text in line.requirements]
        specifiers = [one.specifier for one in asked if canonicalize_name(one.name) == name]
        fits = [
            version
            for version in seen.hidden
            if all(specifier.contains(version, prereleases=True) for specifier in specifiers)
        ]
        return seen.hidden[max(fits)] if fits else ""

    def _pin(self, line: Line, name: str, version: Version, targets: Mapping[Target, _Choice]) -> Pin:
        seen = self._candidates.project(name)
        files = [] if seen.own else self._files(line, name, version, targets)
        needed_by = {other for choice in targets.values() for other in choice.needed_by}
        return Pin(
            project=name,
            version=version,
            targets=tuple(str(target) for target in sorted(targets)),
            needed_by=tuple(sorted(needed_by)),
            files={file.filename: file.hashes["sha256"] for file in files},
        )

    def _files(self, line: Line, name: str, version: Version, targets: Iterable[Target]) -> list[File]:
        """Every wheel that an installer on one of the targets may choose; where there is none, the sdist."""
        allowed = line.hashes.get(name)
        of_release = {
            file.filename: file
            for file in self._candidates.project(name).files.values()
            if parse_filename(file.filename).version == version
            and (allowed is None or file.hashes["sha256"] in allowed)
        }
        wanted: dict[str, File] = {}
        for target in targets:
            wheels = [file for file in of_release.values() if _runs_on(file, target)]
            sources = [file for file in of_release.values() if not file.filename.endswith(".whl")]
            sources.sort(key=lambda file: (file.filename in self._index.refused, file.filename))
            chosen = wheels or sources[:1]
            if not chosen:
                raise Unresolvable(
                    f"{line.text!r}: no file of {name} {version} that may be taken fits {target}"
                    f"{'; the lock names none of those there are' if allowed else ''}."
                )
            wanted |= {file.filename: file for file in chosen}
        return list(wanted.values())

    def _inputs(self, line: Line, asked: Iterable[str]) -> str | None:
        """A digest of what the choice depends on; None if upstream does not answer."""
        try:
            seen = [(name, *self._candidates.digest(name)) for name in sorted(asked)]
        except Unreachable:
            return None
        known = [
            line.requirements,
            sorted((name, sorted(digests)) for name, digests in line.hashes.items()),
            [str(target) for target in self._targets],
            self._version,
            seen,
        ]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def _pinned(text: str) -> tuple[str, _Choice]:
    """A line of uv's: `numpy==1.26.4   # via -r -, pandas`. Its pylock.toml has no word on what needs what."""
    pin, _, via = text.partition(_VIA)
    requirement = Requirement(pin)
    (specifier,) = requirement.specifier
    others = {
        canonicalize_name(one.strip()) for one in via.split(",") if one.strip() and not one.strip().startswith("-")
    }
    return canonicalize_name(requirement.name), _Choice(Version(specifier.version), tuple(sorted(others)))


def _runs_on(file: File, target: Target) -> bool:
    return file.filename.endswith(".whl") and not target.tags.isdisjoint(parse_wheel_filename(file.filename)[3])
