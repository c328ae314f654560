"""The view and the advisories over HTTP, for uv and pip-audit, on the loopback for the time of one run.

    /<secret>/<line>/simple/<project>/           what may be chosen
    /<secret>/<line>/cached/<project>/<file>     a file or its metadata from upstream, checked and kept
    /<secret>/<line>/packages/<project>/<file>   the same from the shelf
    /<secret>/osv                                advisories

uv never gets a source distribution, because it might run it. It is told what the archive says by itself instead.
Other accounts on the host cannot guess the secret. Which projects a line made uv ask for is remembered: only a change
of one of them can change what is resolved.
"""

import contextlib
import secrets
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from simple_repository.content_negotiation import Format
from simple_repository.model import File, Meta, ProjectDetail

from wheelhouse.formats import reading
from wheelhouse.formats.distribution import SAFE_NAME, BadDistribution, FileName, parse_filename
from wheelhouse.index import simple_pages
from wheelhouse.index.permissions import normalised
from wheelhouse.intake.advisories import Source, Unavailable
from wheelhouse.intake.pypi.candidates import View
from wheelhouse.store.downloads import Cache
from wheelhouse.store.local import Shelf
from wheelhouse.upstream.simple_index import METADATA, Mirror, Upstream
from wheelhouse.web.responses import Answer, Environ, Refusal, StartResponse

_MAX_QUESTION = 2**16


@dataclass
class Service:
    """The application, and the address it has while it is `serving`."""

    view: View
    mirror: Mirror
    upstream: Upstream
    shelf: Shelf
    quarantine: Cache
    advisories: Source | None
    """None as long as nobody needs them."""
    address: str = ""
    """With the secret, without a slash at its end."""
    fetched: set[str] = field(default_factory=set)
    """Names of the files, and of metadata, that uv needed of upstream."""
    stated: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """(project, version) -> what source distributions that uv asked for say they need."""
    refused: dict[str, str] = field(default_factory=dict)
    """Name of a source distribution -> why it is no use: it is no good archive, or does not say what it needs."""

    def __post_init__(self) -> None:
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
        with make_server("127.0.0.1", 0, self, _Server, _Handler) as server:
            self.address = f"http://127.0.0.1:{server.server_port}/{self._secret}"
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            try:
                yield
            finally:
                server.shutdown()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            answer = self._answer(environ)
        except Refusal as refusal:
            answer = refusal.answer
        return answer.send(start_response)

    def _answer(self, environ: Environ) -> Answer:
        secret, *path = environ["PATH_INFO"].removeprefix("/").split("/")
        if not secrets.compare_digest(secret, self._secret):
            raise Refusal(404, "There is nothing here.")
        match path:
            case ["osv"] if self.advisories:
                question = environ["wsgi.input"].read(min(int(environ.get("CONTENT_LENGTH") or 0), _MAX_QUESTION))
                try:
                    return Answer(200, self.advisories.answer(question), "application/json")
                except Unavailable as error:
                    raise Refusal(503, f"The advisories cannot be had: {error}.") from None
            case [line, "simple", name, ""] if (project := normalised(name)) == name:
                with self._lock:
                    self._asked[line].add(name)
                return self._page(project)
            case [_, "cached" | "packages" as where, name, filename] if normalised(
                name
            ) == name and SAFE_NAME.fullmatch(filename):
                return self._file(where, name, filename)
        raise Refusal(404, "There is nothing here.")

    def _page(self, name: str) -> Answer:
        seen = self.view.project(name)
        if not seen.files:
            raise Refusal(404, seen.note or f"Nothing of {name} is let in.")
        files = tuple(_addressed(name, file) for file in seen.files.values())
        page = ProjectDetail(Meta(simple_pages.API_VERSION), name, files)
        # uv asks once for each platform and Python
        headers = {"Cache-Control": "max-age=3600"}
        return Answer(200, simple_pages.rendered(page, Format.JSON_V1), Format.JSON_V1.value, headers)

    def _file(self, where: str, name: str, filename: str) -> Answer:
        distribution = filename.removesuffix(METADATA)
        if distribution not in self.view.project(name).files:
            raise Refusal(404, f"{filename} is not let in.")
        if not distribution.endswith(".whl"):
            self._read_sdists(name, parse_filename(distribution))
            raise Refusal(403, f"{filename} is not run to find out what it needs.")
        shelved = self.shelf.package(name, filename)
        if where == "packages" and shelved.exists():
            return Answer(200, shelved.read_bytes(), "application/octet-stream")
        self._bring(name, filename)
        return self.mirror.file(self.upstream, name, filename, head=False)

    def _bring(self, name: str, filename: str) -> None:
        """Have a file from upstream in quarantine, whole and checked; who else asks for it meanwhile waits."""
        with self._lock:
            bringing = self._bringing[filename]
        with bringing:
            if self.quarantine.path(name, filename).exists():
                return
            self.fetched.add(filename)
            for _ in self.mirror.file(self.upstream, name, filename, head=False).send(lambda *_: None):
                pass

    def _read_sdists(self, name: str, asked: FileName) -> None:
        """Find out what a release says of its needs, for uv to be told before it asks again.

        Some have the same as .tar.gz and .zip, and only one of them without links.
        """
        for filename, file in sorted(self.view.project(name).files.items()):
            if filename.endswith(".whl") or parse_filename(filename).version != asked.version:
                continue
            path = self.shelf.package(name, filename)
            if not is_on_shelf(file):
                self._bring(name, filename)
                path = self.quarantine.path(name, filename)
            try:
                stated = reading.requirements(path, filename)
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


def is_on_shelf(file: File) -> bool:
    """Whether a file of the view lies on the shelf, and not upstream."""
    return file.url.startswith("../../packages/")


def _addressed(name: str, file: File) -> File:
    return file if is_on_shelf(file) else replace(file, url=f"../../cached/{name}/{file.filename}")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a uv that is stopped hangs up."""


class _Handler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: the addresses hold the secret."""
