"""The WSGI application that gunicorn runs: which part of the program answers what.

The gateway serves what is a file by itself, so only uploads, searches, the pages that people look at and questions
about what is no file get here.
"""

import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from wheelhouse.config import Config
from wheelhouse.formats import confined
from wheelhouse.index import permissions, simple_pages
from wheelhouse.index.events import Journal
from wheelhouse.index.file_names import Names
from wheelhouse.index.search import Catalogue
from wheelhouse.logs import OneLine
from wheelhouse.store.downloads import Cache
from wheelhouse.store.local import Shelf
from wheelhouse.web import xmlrpc
from wheelhouse.web.html import Front
from wheelhouse.web.responses import Answer, Environ, Refusal, StartResponse
from wheelhouse.web.upload import upload_application
from wheelhouse.web.upstream_routes import OffTheShelf

log = logging.getLogger(__name__)

FOREIGN_PAGE = "A page of another web site sent this: upload with twine, uv or the like, not by a browser."


def application() -> "Application":
    """The application for the shelf and configuration named by the environment; raises ConfigError, OSError."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in ("pypiserver", "httpx"):  # they log each request, and so does gunicorn
        logging.getLogger(library).setLevel(logging.WARNING)
    shelf = Shelf(Path(os.environ.get("WHEELHOUSE_SHELF", "/shelf")))
    # What pypiserver spools of a request belongs on the shelf's disk: /tmp may be small, and in memory.
    tempfile.tempdir = str(shelf.incoming)
    shelf.sweep()
    if not (shelf.simple / "index.json").exists():  # nothing was ever published, and installers ask all the same
        simple_pages.write_root(shelf)
    cache = Cache(Path(os.environ.get("WHEELHOUSE_CACHE", "/cache")))
    cache.sweep()
    return Application(Config(Path(os.environ.get("WHEELHOUSE_CONFIG", "/config"))), shelf, cache)


class Application:
    """Sends a request to the part of the program that answers it."""

    def __init__(self, config: Config, shelf: Shelf, cache: Cache) -> None:
        self._config = config
        self._shelf = shelf
        self._names = Names(Journal(shelf.journal))
        self._uploads = upload_application(config, shelf, self._names)
        self._catalogue = Catalogue(Journal(shelf.journal))
        self._off_the_shelf = off_the_shelf = OffTheShelf(config, shelf, cache)
        self._front = front = Front(config, shelf, self._catalogue)
        self._pages: dict[str, Callable[[Environ], Answer]] = {
            "/": front.home,
            "/search": front.search,
            "/projects/*": front.project,
            "/project/*": front.published,
            "/pypi/*": front.published,
            "/assets/*": front.asset,
            "/simple/*": off_the_shelf.page,
            "/cached/*": off_the_shelf.file,
            "/health": self._health,
            "/publishers/*": self._publisher,
        }
        """What answers GET, by path; `*` is the rest of one."""

    def warm_up(self) -> None:
        """Do now what the first visitor would have to wait for: seconds, with a long journal."""
        confined.warm_up()
        threading.Thread(target=self._off_the_shelf.watch, daemon=True).start()
        self._catalogue.counts()
        self._names.warm_up()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
                self._refuse_foreign_pages(environ)
            if environ["PATH_INFO"] == "/" and environ["REQUEST_METHOD"] == "POST":
                return self._uploads(environ, start_response)
            answer = self._answer(environ)
        except Refusal as refusal:
            answer = refusal.answer
        except Exception:
            log.exception("%s %s failed.", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            answer = Refusal(500, "The index failed to handle this; its log says why.").answer
        body = answer.send(start_response)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else body

    def _answer(self, environ: Environ) -> Answer:
        """Raises `Refusal`."""
        path = "/" + environ["PATH_INFO"].lstrip("/")
        if path == "/RPC2" and environ["REQUEST_METHOD"] == "POST":
            return xmlrpc.answer(self._catalogue, environ)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            raise Refusal(405, f"Uploads go to {self._config.current().index_url}/ and nothing else is sent here.")
        top, slash, _ = path[1:].partition("/")
        if page := self._pages.get(path) or self._pages.get(f"/{top}{slash}*"):
            return page(environ)
        if not slash:
            return self._front.named(environ)
        raise Refusal(404, "There is no such page on this index.")

    def _refuse_foreign_pages(self, environ: Environ) -> None:
        """Raises `Refusal` for what a page of another site has a browser send, which adds the login by itself.

        Browsers say whose page it was, in one of two headers; twine, uv and the like send neither.
        """
        origins, sites = (None, _origin(self._config.current().index_url)), (None, "same-origin", "none")
        if environ.get("HTTP_ORIGIN") not in origins or environ.get("HTTP_SEC_FETCH_SITE") not in sites:
            raise Refusal(403, FOREIGN_PAGE)

    def _publisher(self, environ: Environ) -> Answer:
        """`/publishers/<user>`: whether they may publish anything. The gateway asks before it reads an upload."""
        user = environ["PATH_INFO"].removeprefix("/publishers/").encode("latin-1").decode(errors="replace")
        settings = self._config.current()
        if not settings.publishes.get(user):
            raise Refusal(403, permissions.nothing(user, settings.ask))
        return Answer(200)

    def _health(self, environ: Environ) -> Answer:
        if not os.access(self._shelf.incoming, os.W_OK):
            raise Refusal(503, "The shelf cannot be written to.")
        return Answer(200, json.dumps({"status": "ok"}).encode(), "application/json")


def _origin(url: str) -> str:
    """The origin of an address as browsers write it."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port not in (None, {"http": 80, "https": 443}.get(parts.scheme)) else ""
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"
