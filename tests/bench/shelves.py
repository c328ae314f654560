"""The shelves: one of each size and one with the closure, of which a symbolic link puts one in the index's place.

Reads follow the link at once, so loads on different shelves can be run in turns. The index's container has its shelf
mounted, so it is restarted before it publishes on another one.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

from host import WORK, Host

LINK = "/srv/wheelhouse/shelf"
PARENT = "/srv/wheelhouse/shelves"
OWNER = "wheelhouse"
CONTAINER = "wheelhouse-index"
TIMER = "wheelhouse-incoming.timer"
"""What takes in files that were copied onto the shelf; off while shelves are made, so that it makes none of them."""
SERVICE = "wheelhouse-incoming.service"
"""What it starts: a stopped timer does not stop a run that it has begun."""
CLOSURE = "closure"
TWO_PROJECTS = "two-projects"
"""A short one and a long one."""
FILES_PER_PROJECT = 10


def path(shelf: int | str) -> str:
    """The directory of a shelf."""
    return f"{PARENT}/{shelf}"


def projects(shelf: int, most: int) -> list[str]:
    """Names of ordinary projects on a shelf, spread over all of it; the same in each run."""
    numbers = range(shelf // FILES_PER_PROJECT - 1)
    chosen = random.Random(1).sample(numbers, min(most, len(numbers)))
    return [f"acme-{number:06}" for number in chosen]


def put_in_place(host: Host, shelf: int | str) -> None:
    """Have the index read and write this shelf."""
    host.shell(
        f"""
        ln -sfnT {path(shelf)} {LINK}
        docker restart {CONTAINER} >/dev/null
        for _ in $(seq 120); do
            docker exec {CONTAINER} wheelhouse health >/dev/null 2>&1 && exit 0
            sleep 0.5
        done
        docker logs --tail 20 {CONTAINER}
        exit 1
        """
    )


def make_room(host: Host) -> None:
    """Turn the index's shelf directory into a link."""
    host.shell(
        f"""
        systemctl stop {TIMER} {SERVICE}
        install -d {PARENT}
        mv {LINK} {path("as-installed")}
        ln -sT {path("as-installed")} {LINK}
        """
    )


def make(host: Host, size: int, tell: Callable[[str], None]) -> float:
    """Make a shelf of `size` files and put it in place; seconds that `wheelhouse reindex` took to publish them."""
    _empty(host, size)
    host.run("python3", f"{WORK}/wheels.py", f"{path(size)}/packages", str(size), user=OWNER, limit=900)
    put_in_place(host, size)
    return reindex(host, size, tell)


def make_two_projects(host: Host, sizes: tuple[int, int], tell: Callable[[str], None]) -> None:
    """Put a shelf in place that has two projects with so many files, `long_project(size)`."""
    host.run("systemctl", "stop", TIMER, SERVICE)
    _empty(host, TWO_PROJECTS)
    packages = f"{path(TWO_PROJECTS)}/packages"
    for size in sizes:
        host.run("python3", f"{WORK}/wheels.py", "--project", packages, long_project(size), str(size), user=OWNER)
    put_in_place(host, TWO_PROJECTS)
    reindex(host, sum(sizes), tell)
    host.run("systemctl", "start", TIMER)


def long_project(files: int) -> str:
    """Name of the project with so many files."""
    return f"acme-of-{files}"


def make_closure(host: Host, requirement: str, tell: Callable[[str], None]) -> int:
    """Put what installing `requirement` needs on a shelf, from the public index; how many files that is."""
    _empty(host, CLOSURE)
    host.shell(
        f"""
        set -a; . /etc/wheelhouse/proxy.env; set +a
        cd {WORK}
        pip/bin/pip download --quiet --only-binary :all: --dest closure {requirement}
        cp closure/* {path(CLOSURE)}/packages
        chown -R {OWNER}: {path(CLOSURE)}
        """,
        limit=400,
    )
    put_in_place(host, CLOSURE)
    reindex(host, None, tell)
    return int(host.shell(f"ls {WORK}/closure | wc -l"))


def reindex(host: Host, files: int | None, tell: Callable[[str], None]) -> float:
    """Publish what lies on the shelf in place; seconds. AssertionError if something was refused."""
    started = time.monotonic()
    line = ""
    for line in host.lines("docker", "exec", CONTAINER, "wheelhouse", "reindex", limit=1800):
        tell(line)
    seconds = time.monotonic() - started
    published = re.search(r"(\d+) files published", line)
    assert published and files in (None, int(published[1])), line
    return seconds


def _empty(host: Host, shelf: int | str) -> None:
    host.run("install", "-d", "-o", OWNER, "-g", OWNER, path(shelf), f"{path(shelf)}/packages")
