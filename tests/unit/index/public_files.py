"""Real files of the public index, by their names and hashes, and what becomes of each.

Pip gets those that are missing; they are kept in .cache/public-files, by their hash.
"""

import hashlib
import os
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pip._internal.commands import create_command
from pip._internal.index.collector import parse_links
from pip._internal.models.link import Link

ROOT = Path(__file__).parents[3]
KEPT = ROOT / ".cache/public-files"
_downloading = threading.Lock()


@dataclass(frozen=True)
class RealFile:
    """One line of public_files.tsv."""

    project: str
    filename: str
    sha256: str
    size: int
    is_daily: bool
    """Whether it is small, and judged whenever the tests run."""
    found: frozenset[str]
    """What is told of it where it comes from outside: `metadata`, `record`, `scripts`."""
    refused: str
    """The beginning of why it never comes in; empty for most."""

    def path(self) -> Path:
        """It, downloaded if it is not there."""
        path = KEPT / self.sha256 / self.filename
        with _downloading:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                content = _download(self.project, self.filename)
                assert hashlib.sha256(content).hexdigest() == self.sha256, (
                    f"{self.filename} is another file than it was"
                )
                partial = path.with_name(f"{os.getpid()}.part")
                partial.write_bytes(content)
                partial.replace(path)
        return path


def real_files() -> list[RealFile]:
    lines = Path(__file__).with_suffix(".tsv").read_text().splitlines()
    files = []
    for line in lines:
        project, filename, sha256, size, daily, found, refused = line.split("\t")
        told = frozenset(found.split(",")) if found else frozenset()
        files.append(RealFile(project, filename, sha256, int(size), daily == "daily", told, refused))
    return files


@cache
def _pip() -> tuple[Any, Any]:
    """A session and the places to look in, as they are configured for pip on this machine."""
    command = create_command("download")
    options, _ = command.parse_args(["--no-deps", "none"])
    session = command._build_session(options)  # type: ignore[attr-defined]
    finder = command._build_package_finder(options, session)  # type: ignore[attr-defined]
    return session, finder


@cache
def _links(project: str) -> dict[str, Link]:
    """`pip download` itself would build source distributions to see what is in them."""
    _, finder = _pip()
    links: dict[str, Link] = {}
    for place in finder.search_scope.get_index_urls_locations(project):
        if (page := finder._link_collector.fetch_response(Link(place))) is not None:
            links |= {link.filename: link for link in parse_links(page)}
    return links


def _download(project: str, filename: str) -> bytes:
    session, _ = _pip()
    links = _links(project)
    assert filename in links, f"{filename} is not on the index that pip is configured with"
    answer = session.get(links[filename].url_without_fragment, headers={"Accept-Encoding": "identity"})
    answer.raise_for_status()
    content: bytes = answer.content
    return content
