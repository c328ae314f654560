"""A run of the intake that is killed, and then a plain one: the same shelf as that of a run that nobody killed.

On shelves of their own beside the index's, with the index's list and program. `pytest -m long` does it twenty times instead of twice.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host

PROGRAM = "/usr/local/sbin/wheelhouse-intake"
PLACE = "/srv/killed-intake"
CONTAINER = "killed-intake"
# By hash, with times left out, also in names, which differ; and without what each run notes about itself, and what a killed one leaves where
# nobody is served from, until it is so old that nobody can be at work on it.
LOOK = r"""
import gzip, hashlib, json, os, re, sys
found = {}
for top, directories, files in os.walk(sys.argv[1]):
    for name in files:
        full = os.path.join(top, name)
        path = os.path.relpath(full, sys.argv[1])
        if path in ("last-look", "reports/last-run.json") or path.startswith(("state/", "locks/", "incoming/")):
            continue
        content = open(full, "rb").read()
        if not path.startswith("packages/"):
            content = gzip.decompress(content) if name.endswith(".gz") else content
            content = re.sub(rb"20\d\d-\d\d-\d\dT[\d:.]+Z", b"TIME", content)
        path = re.sub(r"20\d{6}T\d{6}Z", "TIME", path)
        found[path] = [oct(os.lstat(full).st_mode), hashlib.sha256(content).hexdigest()]
print(json.dumps(found))
"""


class Place:
    """A shelf, and the host's own program made to work on it."""

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self.path = f"{PLACE}/{name}"
        host.check_output(
            f"mkdir -p {self.path}/shelf && chown 9898:9898 {self.path}/shelf"
            f" && cp -a /srv/wheelhouse/config /srv/wheelhouse/intake {self.path}"
            f" && sed 's,^directory=.*,directory={self.path},; s,--name [^ ]*,--name {CONTAINER},; s,rm --force [^ ]*,rm --force {CONTAINER},'"
            f" {PROGRAM} >{self.path}/run"
        )

    def run(self) -> float:
        """Returns how many seconds it took. The one line that is kept back makes it exit with 1."""
        began = time.monotonic()
        done = self._host.run(f"sh {self.path}/run")
        assert done.rc == 1 and "CVE-" in done.stderr, done.stdout + done.stderr
        return time.monotonic() - began

    def is_killed_after(self, seconds: float) -> bool:
        """Whether there was something to kill."""
        script = f"sh {self.path}/run & sleep {seconds:.2f}; docker kill --signal KILL {CONTAINER}; code=$?; wait; exit $code"
        return self._host.run("sh -c %s", script).rc == 0

    def content(self) -> dict[str, list]:
        return json.loads(self._host.check_output("python3 -c %s %s", LOOK, f"{self.path}/shelf"))


@pytest.fixture
def places(index: Host, settings) -> Iterator[None]:
    settings.apply()
    yield
    index.check_output("rm -rf %s", PLACE)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.long)])
def test_killed_at_any_moment(index: Host, places: None, kills: int) -> None:
    whole = Place(index, "whole")
    took = whole.run()
    expected = whole.content()
    assert any(re.match(r"packages/networkx/networkx-1\.10", path) for path in expected)
    dice = random.Random(seed := random.randrange(2**32))
    print(f"seed {seed}, {took:.1f} s")
    hit = 0
    for number in range(kills):
        place = Place(index, str(number))
        hit += place.is_killed_after(dice.uniform(0.5, 0.9 * took))
        place.run()
        assert place.content() == expected
    assert hit * 2 >= kills
