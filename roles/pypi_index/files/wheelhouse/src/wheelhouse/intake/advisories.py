"""Known vulnerabilities: a service that speaks as OSV does, or a directory of its files for networks without a way out.

pip-audit asks the questions. It is led through here, so that it needs to know neither proxy nor CA.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from packaging.utils import canonicalize_name
from packaging.version import Version
from pip_audit._service.osv import OsvService

from wheelhouse.errors import Unreachable
from wheelhouse.formats import advisory

AT_ONCE = 25
"""Releases that one pip-audit looks up, one after the other."""
_PROGRAMS = 4
_PATIENCE = 300
"""Seconds for one of them."""

Release = tuple[str, Version]


@dataclass(frozen=True)
class Advisory:
    """Something known about a release."""

    names: frozenset[str]
    """Its identifiers: `PYSEC-2024-1`, `CVE-2024-1`."""
    name: str
    """The one it is reported by."""
    summary: str
    fixed: tuple[str, ...]
    """Versions."""


class Unavailable(Unreachable):
    """Nobody could be asked; the text is the end of a sentence."""


class Advisories:
    """Answers the questions that OSV answers; raises `Unavailable`."""

    def __init__(self, where: str | None, client: httpx.Client) -> None:
        """`where` is a directory, an address, or None for the public service."""
        self._client = client
        self._url = None if where and where.startswith("/") else (where or OsvService.DEFAULT_OSV_URL)
        self._local = None if self._url else _read(Path(where or ""))

    def answer(self, question: bytes) -> bytes:
        """The answer to one query, both as JSON."""
        if self._local is None:
            try:
                response = self._client.post(self._url or "", content=question)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise Unavailable(f"it does not answer ({type(error).__name__})") from None
            if response.status_code != 200:
                raise Unavailable(f"it answers {response.status_code}")
            return response.content
        asked: Any = json.loads(question)
        name = canonicalize_name(asked["package"]["name"])
        known = self._local.get(name, [])
        affecting = [entry for entry in known if advisory.affects(entry, name, asked["version"])]
        return json.dumps({"vulns": affecting}).encode()


def look_up(releases: Iterable[Release], address: str) -> Mapping[Release, list[Advisory] | None]:
    """What is known about each release; None if it could not be looked up. `address` is that of `Advisories`."""
    wanted = sorted(set(releases))
    chunks = [wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)]
    found: dict[Release, list[Advisory] | None] = dict.fromkeys(wanted)
    with ThreadPoolExecutor(_PROGRAMS) as pool:
        for answers in pool.map(lambda chunk: _audit(chunk, address), chunks):
            found.update(answers)
    return found


def _audit(releases: list[Release], address: str) -> dict[Release, list[Advisory]]:
    """What pip-audit says of those that it could look up."""
    with tempfile.TemporaryDirectory() as directory:
        asked = Path(directory) / "releases.txt"
        asked.write_text("".join(f"{project}=={version}\n" for project, version in releases))
        command = [sys.executable, "-m", "pip_audit", "--strict", "--no-deps", "--disable-pip"]
        command += ["--requirement", str(asked)]
        command += ["--vulnerability-service", "osv", "--osv-url", address, "--format", "json", "--desc", "on"]
        command += ["--progress-spinner", "off", "--cache-dir", directory]
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": directory, "NO_PROXY": "127.0.0.1"}
        try:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=_PATIENCE, check=False)
            answers: Any = json.loads(done.stdout)["dependencies"]
        except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired):
            # It gives up at the first that it cannot look up: the others get their chance alone.
            if len(releases) == 1:
                return {}
            half = len(releases) // 2
            return {**_audit(releases[:half], address), **_audit(releases[half:], address)}
    # What it left out or skipped is not looked up, whatever its exit code.
    return {
        (canonicalize_name(one["name"]), Version(one["version"])): [_advisory(vuln) for vuln in one["vulns"]]
        for one in answers
        if "vulns" in one
    }


def _advisory(raw: Mapping[str, Any]) -> Advisory:
    text = " ".join(str(raw.get("description") or "").split())
    return Advisory(
        names=frozenset({raw["id"], *raw.get("aliases", ())}),
        name=raw["id"],
        summary=text if len(text) <= 200 else f"{text[:197]}...",
        fixed=tuple(raw.get("fix_versions", ())),
    )


def _read(directory: Path) -> dict[str, list[dict[str, Any]]]:
    """The advisories in a directory of OSV files, by project; raises `Unavailable`."""
    found: dict[str, list[dict[str, Any]]] = {}
    if not directory.is_dir():
        raise Unavailable(f"{directory} is no directory")
    for path in sorted(directory.rglob("*.json")):
        try:
            entry = json.loads(path.read_bytes())
            names = advisory.projects(entry)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise Unavailable(f"{path} is no advisory as OSV writes them") from None
        for name in names:
            found.setdefault(name, []).append(entry)
    if not found:
        raise Unavailable(f"{directory} holds no advisory about Python packages")
    return found
