"""The WSGI application that gunicorn runs: which part of the program answers what.

The gateway serves what is a file by itself, so only uploads and questions about what is no file get here.
"""

import json
import logging
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from wheelhouse.answers import Answer, Environ, Refusal, StartResponse
from wheelhouse.cache import Cache
from wheelhouse.config import Config
from wheelhouse.shelf import Shelf
from wheelhouse.uploads import upload_application
from wheelhouse.upstream import OffTheShelf

log = logging.getLogger(__name__)


def application() -> "Application":
    """The application for the shelf and configuration named by the environment; raises ConfigError, OSError."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    for library in ("pypiserver", "httpx"):  # they log each request, and so does gunicorn
        logging.getLogger(library).setLevel(logging.WARNING)
    shelf = Shelf(Path(os.environ.get("WHEELHOUSE_SHELF", "/shelf")))
    # What pypiserver spools of a request belongs on the shelf's disk: /tmp may be small, and in memory.
    tempfile.tempdir = str(shelf.incoming)
    shelf.sweep()
    cache = Cache(Path(os.environ.get("WHEELHOUSE_CACHE", "/cache")))
    cache.sweep()
    return Application(Config(Path(os.environ.get("WHEELHOUSE_CONFIG", "/config"))), shelf, cache)


class Application:
    """Sends a request to the part of the program that answers it."""

    def __init__(self, config: Config, shelf: Shelf, cache: Cache) -> None:
        self._shelf = shelf
        self._uploads = upload_application(config, shelf)
        self._off_the_shelf = OffTheShelf(config, shelf, cache)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
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
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            raise Refusal(405, "Uploads go to / and nothing else is sent here.")
        if path == "/health":
            return self._health()
        if path.startswith("/simple/"):
            return self._off_the_shelf.page(path.removeprefix("/simple/"), environ.get("HTTP_ACCEPT", ""))
        if path.startswith("/cached/"):
            return self._off_the_shelf.file(path.removeprefix("/cached/"), head=environ["REQUEST_METHOD"] == "HEAD")
        raise Refusal(404, "There is no such page on this index.")

    def _health(self) -> Answer:
        if not os.access(self._shelf.incoming, os.W_OK):
            raise Refusal(503, "The shelf cannot be written to.")
        return Answer(200, json.dumps({"status": "ok"}).encode(), "application/json")
