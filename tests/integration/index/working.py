"""People who install and publish through the gateway all the while, and count what goes wrong."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from gateway import JSON, Answer, Connection, Gateway
from index.samples import MULTIPART, Wheel, multipart

PROJECT = "acme-working"
PUBLISHERS, INSTALLERS, READERS = 2, 2, 1
"""The last one looks at what the program itself answers: pages for people, and names that are not there."""


@dataclass
class Work:
    """What is done until it is stopped. Nobody tries anything twice: each answer that is not as it should be counts."""

    gateway: Gateway
    version: str
    stop: threading.Event = field(default_factory=threading.Event)
    done: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    published: dict[str, str] = field(default_factory=dict)
    """File name -> sha256 of what was acknowledged."""

    def publish(self, who: int) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            # more than fits into any buffer on the way
            data = {"acme_working/data.bin": f"{who}.{number}".encode() * 100_000}
            wheel = Wheel("acme_working", f"{self.version}.{who}.{number}", data)
            content = wheel.build()
            form = multipart({":action": "file_upload"}, wheel.filename, content)
            answer = self.ask(None, "/", "POST", form, **{"Content-Type": MULTIPART})
            if answer and answer.status == 200:
                self.published[wheel.filename] = hashlib.sha256(content).hexdigest()
                self.count("published")
            elif answer:
                self.failures.append(f"publishing: {answer}")
            time.sleep(0.3)  # ten requests a second are let in from one address

    def install(self, who: int) -> None:
        connection = self.gateway.connection()
        while not self.stop.is_set():
            due = dict(self.published)
            page = self.ask(connection, f"/simple/{PROJECT}/", Accept=JSON)
            if page is None or (page.status == 404 and not due):
                continue
            listed = (
                {file["filename"]: file["hashes"]["sha256"] for file in page.json["files"]}
                if page.status == 200
                else {}
            )
            if lost := due.items() - listed.items():
                self.failures.append(f"installing: {page.status}, and {sorted(lost)[:2]} is not listed")
                continue
            for name in list(due)[-2:]:
                answer = self.ask(connection, f"/packages/{PROJECT}/{name}")
                if answer and hashlib.sha256(answer.body).hexdigest() != due[name]:
                    self.failures.append(f"installing {name}: {answer}")
            self.count("installed")
            time.sleep(0.05)

    def look(self, who: int) -> None:
        connection = self.gateway.connection()
        while not self.stop.is_set():
            # the last: a spelling that only the program knows
            for path, wanted in (("/", 200), ("/search?q=working", 200), ("/simple/acme-nowhere/", 404)):
                answer = self.ask(connection, path)
                if answer and answer.status != wanted:
                    self.failures.append(f"looking at {path}: {answer}")
            self.count("looked")
            time.sleep(0.05)

    def ask(
        self, connection: Connection | None, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Answer | None:
        """One request, on a connection of its own or on that one."""
        used = connection or self.gateway.connection()
        try:
            return used.ask(path, method, self.gateway.authorization("ada") | headers, body)
        except (http.client.HTTPException, OSError, ssl.SSLError) as error:
            self.failures.append(f"{method} {path}: {error!r}")
            used.close()
            return None
        finally:
            if connection is None:
                used.close()

    def count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1

    def goes_on(self, seconds: float = 120) -> None:
        """Wait until each of them has done some more."""
        before = dict(self.done)
        end = time.monotonic() + seconds
        while any(self.done.get(what, 0) < before.get(what, 0) + 4 for what in ("published", "installed", "looked")):
            assert time.monotonic() < end, f"not within {seconds} s: {before} -> {self.done}, {self.failures[:5]}"
            time.sleep(0.1)


@contextlib.contextmanager
def people_at_work(gateway: Gateway, version: str) -> Iterator[Work]:
    """Five who install and publish during the block, from before it begins until after it ends; none may fail."""
    work = Work(gateway, version)
    acts = [work.publish] * PUBLISHERS + [work.install] * INSTALLERS + [work.look] * READERS
    with ThreadPoolExecutor(len(acts)) as threads:
        tasks = [threads.submit(act, who) for who, act in enumerate(acts)]
        try:
            work.goes_on()
            yield work
            work.goes_on()
        finally:
            work.stop.set()
        for task in tasks:
            task.result()
    assert work.failures == [], f"{len(work.failures)} of {work.done} noticed something: {work.failures[:5]}"
