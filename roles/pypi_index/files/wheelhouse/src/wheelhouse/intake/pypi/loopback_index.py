"""The candidates and the advisories over HTTP, for uv and pip-audit, on the loopback for the time of one run.

    /<secret>/<line>/simple/<project>/           what may be chosen
    /<secret>/<line>/cached/<project>/<file>     a file or its metadata from upstream, checked and kept
    /<secret>/<line>/packages/<project>/<file>   the same of what is published
    /<secret>/osv                                advisories

uv never gets a source distribution, because it might run it. It is told what the archive says by itself instead.
Other accounts on the host cannot guess the secret. Which projects a line made uv ask for is remembered: only a change
of one of them can change what is resolved.
"""

import contextlib
import io
import logging
import secrets
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from simple_repository.content_negotiation import Format
from simple_repository.model import File, Meta, ProjectDetail
from simple_repository.serializer import serialize

from wheelhouse.errors import Damaged, NotFound, Unreachable
from wheelhouse.formats import reading
from wheelhouse.formats.distribution import MAX_METADATA, SAFE_NAME, BadDistribution, FileName, parse_filename
from wheelhouse.index import simple_pages
from wheelhouse.index.permissions import normalised
from wheelhouse.intake.advisories import Advisories, Unavailable
from wheelhouse.intake.fetch import Quarantine, Wanted
from wheelhouse.intake.published import Published
from wheelhouse.intake.pypi.candidates import Candidates, is_published
from wheelhouse.upstream.simple_index import METADATA

log = logging.getLogger(__name__)
_MAX_QUESTION = 2**16
_BYTES = "application/octet-stream"


class _NotShown(Exception):
    """uv may not have it; the text is a sentence."""


@dataclass
class _Reply:
    content: IO[bytes]
    content_type: str = _BYTES
    is_page: bool = False


class LoopbackIndex:
    """What is answered, and the address it has while it is `serving`."""

    def __init__(self, candidates: Candidates, published: Published, quarantine: Quarantine) -> None:
        self.quarantine = quarantine
        self.advisories: Advisories | None = None
        """None as long as nobody needs them."""
        self.address = ""
        """With the secret, without a slash at its end."""
        self.fetched: set[str] = set()
        """Names of the files, and of metadata, that uv needed of upstream."""
        self.stated: dict[tuple[str, str], list[str]] = {}
        """(project, version) -> what source distributions that uv asked for say they need."""
        self.refused: dict[str, str] = {}
        """Name of a file -> why it is no use: it does not come, is no good archive, or does not say what it needs."""
        self.failure: Exception | None = None
        """What went wrong here first, that is neither upstream's fault nor uv's: a full disk, a bug."""
        self._candidates = candidates
        self._published = published
        self._secret = secrets.token_urlsafe(24)
        self._lock = threading.Lock()
        self._asked: dict[str, set[str]] = defaultdict(set)
        self._bringing: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def index(self, line: str) -> str:
        """The address of the index for one line."""
        return f"{self.address}/{line}/simple/"

    def asked(self, line: str) -> set[str]:
        """The projects that were asked for on behalf of a line."""
        with self._lock:
            return set(self._asked[line])

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Answer until the end of the block."""
        with _Server(self) as server:
            self.address = f"http://127.0.0.1:{server.server_port}/{self._secret}"
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            try:
                yield
            finally:
                server.shutdown()

    def look_up(self, path: str, question: bytes) -> _Reply:
        """What lies at a path. Raises `NotFound`, `Unreachable`, `Damaged`, `_NotShown`, `Unavailable`, OSError."""
        secret, *parts = path.removeprefix("/").split("/")
        if not secrets.compare_digest(secret.encode(), self._secret.encode()):
            raise NotFound("There is nothing here.")
        match parts:
            case ["osv"] if self.advisories:
                return _Reply(io.BytesIO(self.advisories.answer(question)), "application/json")
            case [line, "simple", name, ""] if normalised(name) == name:
                with self._lock:
                    self._asked[line].add(name)
                return self._page(name)
            case [_, "cached" | "packages", name, filename] if normalised(name) == name and SAFE_NAME.fullmatch(
                filename
            ):
                return self._file(name, filename)
        raise NotFound("There is nothing here.")

    def _page(self, name: str) -> _Reply:
        seen = self._candidates.project(name)
        if not seen.files:
            raise NotFound(seen.note or f"Nothing of {name} is let in.")
        files = tuple(_addressed(name, file) for file in seen.files.values())
        page = serialize(ProjectDetail(Meta(simple_pages.API_VERSION), name, files), Format.JSON_V1)
        return _Reply(io.BytesIO(page.encode()), Format.JSON_V1.value, is_page=True)

    def _file(self, name: str, filename: str) -> _Reply:
        distribution = filename.removesuffix(METADATA)
        file = self._candidates.project(name).files.get(distribution)
        if file is None:
            raise NotFound(f"{filename} is not let in.")
        if not distribution.endswith(".whl"):
            self._read_sdists(name, parse_filename(distribution))
            raise _NotShown(f"{filename} is not run to find out what it needs.")
        wanted = file if filename == distribution else _described(file)
        if not is_published(file):
            return _Reply(self._bring(name, wanted).open("rb"))
        with self._published.bytes_of(wanted.hashes["sha256"]) as path:
            return _Reply(path.open("rb"))  # which lives on where the name does not

    def _bring(self, name: str, file: File) -> Path:
        """Have a file from upstream in quarantine, whole and checked; who else asks for it meanwhile waits."""
        path = self.quarantine.files.path(name, file.filename)
        with self._lock:
            bringing = self._bringing[file.filename]
        with bringing:
            if not path.exists():
                self.fetched.add(file.filename)
                self._fetch(Wanted(name, file, MAX_METADATA if path.name.endswith(METADATA) else None))
        return path

    def _fetch(self, wanted: Wanted) -> None:
        """Fetch a file; raises `Unreachable`, `Damaged`, OSError."""
        try:
            self.quarantine.fetch(wanted)
        except Damaged as error:
            self.refused[wanted.file.filename] = str(error)
            raise
        except Unreachable as error:
            self.refused[wanted.file.filename] = f"{wanted.file.filename} did not come: {error}."
            raise
        self.refused.pop(wanted.file.filename, None)

    def _read_sdists(self, name: str, asked: FileName) -> None:
        """Find out what a release says of its needs, for uv to be told before it asks again.

        Some have the same as .tar.gz and .zip, and only one of them without links.
        """
        for filename, file in sorted(self._candidates.project(name).files.items()):
            if filename.endswith(".whl") or parse_filename(filename).version != asked.version:
                continue
            try:
                if is_published(file):
                    with self._published.bytes_of(file.hashes["sha256"]) as path:
                        stated = reading.requirements(path, filename)
                else:
                    stated = reading.requirements(self._bring(name, file), filename)
            except BadDistribution as error:
                self.refused[filename] = str(error)
                continue
            if stated is not None:
                self.stated[name, str(asked.version)] = stated
                return
            self.refused[filename] = (
                f"{filename} does not say what it needs without being run, which is not done here:"
                " build a wheel of it, and publish that."
            )


def _addressed(name: str, file: File) -> File:
    return file if is_published(file) else replace(file, url=f"../../cached/{name}/{file.filename}")


def _described(file: File) -> File:
    """The core metadata beside a wheel, as a file of their own; raises `NotFound`."""
    if not isinstance(file.dist_info_metadata, dict):
        raise NotFound(f"There are no metadata beside {file.filename}, or no SHA-256 of them.")
    parts = urlsplit(file.url)
    return File(
        filename=f"{file.filename}{METADATA}",
        url=parts._replace(path=f"{parts.path}{METADATA}").geturl(),
        hashes={"sha256": file.dist_info_metadata["sha256"]},
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, index: LoopbackIndex) -> None:
        self.index = index
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a uv that is stopped hangs up. All else is dealt with by the handler."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer."""
        index = self.server.index
        question = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MAX_QUESTION))
        try:
            reply = index.look_up(unquote(urlsplit(self.path).path), question)
        except NotFound as error:
            self._refuse(404, str(error))
        except _NotShown as error:
            self._refuse(403, str(error))
        except Unavailable as error:
            self._refuse(503, f"The advisories cannot be had: {error}.")
        except (Unreachable, Damaged) as error:
            self._refuse(502, str(error))
        except Exception as error:
            # uv says that it was refused something; why is for whoever started the run.
            index.failure = index.failure or error
            self._refuse(500, "It cannot be had.")
        else:
            with reply.content:
                self._send(200, reply)

    do_HEAD = do_POST = do_GET

    def _refuse(self, status: int, sentence: str) -> None:
        self._send(status, _Reply(io.BytesIO(f"{sentence}\n".encode()), "text/plain; charset=utf-8"))

    def _send(self, status: int, reply: _Reply) -> None:
        size = reply.content.seek(0, io.SEEK_END)
        reply.content.seek(0)
        self.send_response(status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(size))
        if reply.is_page:
            self.send_header("Cache-Control", "max-age=3600")  # uv asks once for each platform and Python
        self.end_headers()
        if self.command != "HEAD":
            shutil.copyfileobj(reply.content, self.wfile, 2**16)

    def log_message(self, *_: object) -> None:
        """Say nothing: the addresses hold the secret."""
