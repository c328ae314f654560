"""How long the upload of one file takes: on the smallest shelf and the largest, to a short project and a long one."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Callable

import shelves
from host import WORK, Host
from servers import OURS

EXISTING, NEW = "to an existing project", "first of a new project"
KINDS = (EXISTING, NEW)
"""By files on the shelf."""
PROJECT = "to a project"
"""By files of the project."""


class Published:
    """Seconds of each upload, by size (of the shelf or of the project), kind and round."""

    def __init__(self) -> None:
        self.rounds: dict[tuple[int, str], list[list[float]]] = defaultdict(list)

    def median(self, size: int, kind: str) -> float:
        """Of all uploads, in seconds."""
        return statistics.median(taken for turn in self.rounds[size, kind] for taken in turn)

    def ratio(self, size: int, other: int, kind: str) -> float:
        """Median over the rounds of how much longer one size takes than the other."""
        pairs = zip(self.rounds[size, kind], self.rounds[other, kind], strict=True)
        return statistics.median(statistics.median(one) / statistics.median(two) for one, two in pairs)


def run(host: Host, sizes: list[int], rounds: int, uploads: int, tell: Callable[[str], None]) -> Published:
    """Upload to each shelf in turns, `uploads` of each kind. The login that is used has to publish acme-*."""
    published = Published()
    for turn in range(rounds):
        version = f"99.{turn}"  # that no shelf has
        projects = {
            EXISTING: shelves.projects(min(sizes), uploads),
            NEW: [f"acme-new-{turn}-{number}" for number in range(uploads)],
        }
        for size in sizes:
            tell(f"round {turn + 1} of {rounds}, {size:,} files")
            shelves.put_in_place(host, size)
            _upload(host, version, [f"acme-warm-{turn}-{number}" for number in range(6)])
            for kind in KINDS:
                published.rounds[size, kind].append(_upload(host, version, projects[kind]))
    return published


def run_into_projects(
    host: Host, sizes: tuple[int, int], rounds: int, uploads: int, published: Published, tell: Callable[[str], None]
) -> None:
    """Upload to two projects in turns, on the shelf that has them, which is in place."""
    for turn in range(rounds):
        tell(f"round {turn + 1} of {rounds}, projects of {sizes[0]:,} and {sizes[1]:,} files")
        for size in sizes:
            taken = [_upload(host, f"99.{turn}.{number}", [shelves.long_project(size)]) for number in range(uploads)]
            published.rounds[size, PROJECT].append([seconds for one in taken for seconds in one])


def _upload(host: Host, version: str, projects: list[str]) -> list[float]:
    """Seconds for one file of each project."""
    files = f"{WORK}/uploads"
    host.run("install", "-d", files)
    host.run("python3", f"{WORK}/wheels.py", "--uploads", files, version, *projects)
    names = [f"{files}/{project.replace('-', '_')}-{version}-py3-none-any.whl" for project in projects]
    said = host.run("python3", f"{WORK}/publish.py", f"{OURS.url}/", f"{WORK}/login/.netrc", *names)
    taken: list[float] = json.loads(said)
    return taken
