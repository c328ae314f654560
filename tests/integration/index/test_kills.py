"""Whatever is killed while people publish and install: what was acknowledged stays, and what is listed can be had.

`pytest -m long` does it twenty times instead of four.
"""

from __future__ import annotations

import hashlib
import http.client
import random
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import pytest
from company import eventually
from gateway import JSON, Answer, Connection, Gateway
from index.samples import MULTIPART, Wheel, multipart
from shelf import Shelf
from testinfra.host import Host

PROJECTS = ("acme_killed_a", "acme_killed_b", "acme_killed_c")
UPLOADERS, READERS = 3, 2
# each is the shell command that prints whom to kill
VICTIMS = {
    "a worker of the program": "pgrep --parent $(docker inspect --format '{{.State.Pid}}' wheelhouse-index) | shuf -n 1",
    "the program": "docker inspect --format '{{.State.Pid}}' wheelhouse-index",
    "a worker of nginx": "pgrep --parent $(cat /run/nginx.pid) | shuf -n 1",
    "nginx": "cat /run/nginx.pid",
}


@dataclass
class Client:
    """Somebody who tries again as long as the index is away, and takes nothing else for an excuse."""

    gateway: Gateway
    connection: Connection | None = None
    failures: int = 0

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        end = time.monotonic() + 90
        while True:
            try:
                self.connection = self.connection or self.gateway.connection()
                answer = self.connection.ask(path, method, self.gateway.authorization("ada") | headers, body)
                if answer.status < 500 and answer.status != 429:
                    return answer
                why = f"{answer.status} {answer.text[:200]}"
            except (http.client.HTTPException, OSError, ssl.SSLError) as error:
                why = repr(error)
                if self.connection:
                    self.connection.close()
                self.connection = None
            self.failures += 1
            assert time.monotonic() < end, f"the index does not come back: {method} {path}: {why}"
            time.sleep(0.1)


@dataclass
class Work:
    """What uploaders and readers do until they are stopped."""

    gateway: Gateway
    version: str
    stop: threading.Event = field(default_factory=threading.Event)
    acknowledged: dict[str, tuple[str, str]] = field(default_factory=dict)
    """File name -> project, sha256. Written when the 200 is there."""
    reads: int = 0
    failures: int = 0

    def upload(self, who: int) -> None:
        dice = random.Random(f"uploader {who}")
        client = Client(self.gateway)
        number = 0
        while not self.stop.is_set():
            number += 1
            name = dice.choice(PROJECTS)
            data = dice.randbytes(dice.choice([100, 20_000, 1_500_000]))
            wheel = Wheel(name, f"{self.version}.{who}.{number}", {f"{name}/data.bin": data})
            content = wheel.build()
            form = multipart({":action": "file_upload"}, wheel.filename, content)
            answer = client.ask("/", "POST", form, **{"Content-Type": MULTIPART})
            assert answer.status == 200, (answer, answer.text)
            self.acknowledged[wheel.filename] = (name.replace("_", "-"), hashlib.sha256(content).hexdigest())
        self.failures += client.failures

    def read(self, who: int) -> None:
        dice = random.Random(f"reader {who}")
        client = Client(self.gateway)
        whole: set[str] = set()
        while not self.stop.is_set():
            project = dice.choice(PROJECTS).replace("_", "-")
            due = {name for name, (of, _) in self.acknowledged.copy().items() if of == project}
            page = client.ask(f"/simple/{project}/", Accept=JSON)
            if page.status == 404 and not due:
                continue
            assert page.status == 200, page
            listed = {file["filename"]: file for file in page.json["files"]}
            assert due <= listed.keys(), "what was acknowledged is listed"
            for name in listed.keys() - whole:
                self.fetch(client, project, listed[name])
                whole.add(name)
            self.reads += 1
        self.failures += client.failures

    def fetch(self, client: Client, project: str, file: dict) -> None:
        """A file that is listed can be had, and its metadata with it."""
        path = f"/packages/{project}/{file['filename']}"
        for address, wanted in [(path, file["hashes"]), (f"{path}.metadata", file["core-metadata"])]:
            answer = client.ask(address)
            assert answer.status == 200, (address, answer)
            assert hashlib.sha256(answer.body).hexdigest() == wanted["sha256"], address


def lives_long(index: Host) -> bool:
    """Docker waits longer and longer before it starts what has died within ten seconds of its start."""
    lives = index.check_output(
        "echo $(($(date +%s) - $(date +%s -d $(docker inspect --format '{{.State.StartedAt}}' wheelhouse-index))))"
    )
    return int(lives) > 10


def goes_on(work: Work, before: tuple[int, int], tasks: list[Future[None]]) -> bool:
    """Whether everybody has published and read since these counts, or somebody has given up."""
    uploads, reads = before
    everybody = len(work.acknowledged) > uploads + UPLOADERS and work.reads > reads + READERS
    return everybody or any(task.done() for task in tasks)


def is_killed(index: Host, victim: str) -> bool:
    return bool(index.run(f"kill -9 $({VICTIMS[victim]})").rc == 0)


def kill_everything_once(index: Host, dice: random.Random) -> None:
    """Each victim once, in any order, at any moment."""
    for victim in dice.sample(sorted(VICTIMS), len(VICTIMS)):
        time.sleep(dice.uniform(0.2, 1.5))  # a moment is what is chosen, not a condition
        if victim == "the program" and not lives_long(index):
            continue
        # one that is just being started again has no process yet
        eventually(partial(is_killed, index, victim), f"{victim} is killed", 60)


@pytest.mark.parametrize("rounds", [4, pytest.param(20, marks=pytest.mark.long)])
def test_kills_at_any_moment(gateway: Gateway, index: Host, shelf: Shelf, version: str, rounds: int) -> None:
    shelf.run("reindex", check=False)  # what tests before have left is not what this one is about
    dice = random.Random(f"kills {rounds}")
    work = Work(gateway, f"{version}.{rounds}")
    people: list[Callable[[int], None]] = [*[work.upload] * UPLOADERS, *[work.read] * READERS]
    with ThreadPoolExecutor(len(people)) as threads:
        tasks = [threads.submit(act, who) for who, act in enumerate(people)]
        try:
            for _ in range(rounds):
                before = len(work.acknowledged), work.reads
                kill_everything_once(index, dice)
                eventually(partial(goes_on, work, before, tasks), "people publish and install again")
        finally:
            work.stop.set()
        for task in tasks:
            task.result()
    assert work.failures > rounds, "nobody noticed anything: nothing was killed"

    shelf.run("reindex")
    assert " 0 problems" in shelf.run("verify")
    client = Client(gateway)
    pages = {project: gateway.page(project) for project in {project for project, _ in work.acknowledged.values()}}
    for name, (project, digest) in work.acknowledged.items():
        file = next(file for file in pages[project]["files"] if file["filename"] == name)
        assert file["hashes"] == {"sha256": digest}
        work.fetch(client, project, file)
    # the look for files that were copied in may have been in the container, and does it again; the intake keeps something back
    failed = "systemctl list-units --failed --plain --no-legend | grep -v wheelhouse-intake"
    eventually(lambda: not index.run(failed).stdout, "no unit is failed", 90)
