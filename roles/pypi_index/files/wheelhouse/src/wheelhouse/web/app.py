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
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, Map, Rule
from werkzeug.wrappers import Request, Response

from wheelhouse.config import Config
from wheelhouse.errors import Busy, WheelhouseError
from wheelhouse.formats import confined
from wheelhouse.index import heartbeats, permissions, provenance
from wheelhouse.index.fetching import Fetcher
from wheelhouse.index.follower import Follower
from wheelhouse.index.health import Health
from wheelhouse.index.opening import open_index
from wheelhouse.index.search import Catalogue
from wheelhouse.index.store_watch import StoreWatch
from wheelhouse.index.tokens import Tokens
from wheelhouse.index.transaction import Index
from wheelhouse.logs import OneLine
from wheelhouse.store.downloads import Cache
from wheelhouse.store.partial_site import PartialSite
from wheelhouse.web import xmlrpc
from wheelhouse.web.account import Account
from wheelhouse.web.audits import Audits
from wheelhouse.web.background import repeat
from wheelhouse.web.fetch_routes import FetchRoutes
from wheelhouse.web.html import Pages
from wheelhouse.web.integrity import Integrity
from wheelhouse.web.logins import Logins
from wheelhouse.web.responses import HTTPError, http_error, path_of
from wheelhouse.web.trusted_publishing import TrustedPublishing
from wheelhouse.web.upload import upload_application
from wheelhouse.web.upstream_routes import UpstreamRoutes

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

LOOK_AT_DENIED = 2.0
"""Seconds after which what is denied or refused leaves the cache while nobody asks."""
LOOK_AT_RESTRICTED = 2.0
"""Seconds after which a project that was restricted leaves the lists. The gateway hides everything else within one."""
LOOK_AT_STORE = 2.0
"""Seconds after which the server that keeps the bytes is asked whether it is there."""
LOOK_AT_COPIES = 60.0
"""Seconds after which it is looked whether this host has too many copies of packages that a server keeps."""
LOOK_AT_TOKENS = 5.0
"""Seconds after which the tokens of an account that was removed end for good."""
READS = "X-Wheelhouse-Reads"
"""Tells the gateway which restricted projects a login may read, as patterns."""
FOREIGN_PAGE = "A page of another web site sent this: upload with twine, uv or the like, not by a browser."


def application() -> "Application":
    """The application for the shelf and configuration named by the environment; raises ConfigError, OSError."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in ("pypiserver", "httpx"):  # they log each request, and so does gunicorn
        logging.getLogger(library).setLevel(logging.WARNING)
    index = open_index(Path(os.environ.get("WHEELHOUSE_SHELF", "/shelf")))
    # Temporary files belong on the shelf's disk: /tmp may be small, and in memory.
    tempfile.tempdir = str(index.staging.incoming)
    config = Config(Path(os.environ.get("WHEELHOUSE_CONFIG", "/config")))
    provenance.readdress(index.database, config.current().index_url)
    index.render_dirty()
    try:
        index.sweep()
    except Busy as error:  # the next one does; whoever reads need not wait for it
        log.warning("What nobody names stays for now: %s", error)
    cache = Cache(Path(os.environ.get("WHEELHOUSE_CACHE", "/cache")))
    cache.sweep()
    index.restrict(config.current().restricted, check=True)
    return Application(config, index, cache)


class _Rest(BaseConverter):
    """All that follows in a path, whatever it is: whether it is a name is for the one who answers."""

    regex = r"(?s:.*)"
    part_isolating = False


class Application:
    """Sends a request to the part of the program that answers it."""

    def __init__(self, config: Config, index: Index, cache: Cache) -> None:
        self._config = config
        self._index = index
        self._health_of_index = Health(index)
        self._tokens = Tokens(index.database)
        self._logins = Logins(config, self._tokens)
        self._trusted_publishing = TrustedPublishing(config, index.database, self._tokens)
        self._uploads = upload_application(config, index, self._logins)
        self._upstream = upstream = UpstreamRoutes(config, index, cache)
        pages = Pages(config, index, self._logins)
        self._account = Account(config, self._tokens, self._logins, pages)
        self._audits = Audits(config)
        self._fetcher = Fetcher(index, index.site) if isinstance(index.site, PartialSite) else None
        routes: dict[str, Callable[..., Response]] = {
            "/": pages.home,
            "/search": pages.search,
            "/projects/<rest:name>": pages.project,
            "/project/<rest:path>": pages.published,
            "/pypi/<rest:path>": pages.published,
            "/assets/<rest:name>": pages.asset,
            "/integrity/<rest:path>": Integrity(index.database, self._logins).provenance,
            "/simple/<rest:name>": upstream.page,
            "/cached/<rest:path>": upstream.file,
            "/health": self._health,
            "/publishers/<rest:user>": self._publisher,
            "/logins/check": self._login,
            "/logins/used/<name>": self._token_used,
            "/<name>": pages.named,
        }
        """What answers GET and HEAD. `rest` may be empty, and have slashes in it."""
        if self._fetcher:
            routes["/fetch/<rest:path>"] = FetchRoutes(self._fetcher).fetch
        rules = [Rule(path, endpoint=answer) for path, answer in routes.items()]
        self._routes = Map(rules, converters={"rest": _Rest}, merge_slashes=False).bind("index")

    def warm_up(self) -> None:
        """Do now what the first visitor would have to wait for, and what nobody waits for."""
        confined.warm_up()
        repeat(self._upstream.look_again, LOOK_AT_DENIED, "It is not known what has to leave the cache.")
        repeat(self._end_tokens, LOOK_AT_TOKENS, "The tokens in force could not be looked at.")
        repeat(self._restrict, LOOK_AT_RESTRICTED, "The lists could not be made without what is restricted.")
        if self._fetcher:
            repeat(StoreWatch(self._index).look, LOOK_AT_STORE, "Whether the object store answers was not noted.")
            repeat(self._fetcher.tend, LOOK_AT_COPIES, "The copies of packages on this host could not be looked after.")
        threading.Thread(target=self._audits.warm_up, daemon=True).start()
        if self._index.database.server:
            threading.Thread(target=Follower(self._index, self._end_tokens).run, daemon=True).start()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        try:
            if request.method not in ("GET", "HEAD"):
                self._refuse_foreign_pages(request)
            if environ["PATH_INFO"] == "/" and request.method == "POST":
                return self._uploads(environ, start_response)
            response = self._answer(request)
        except WheelhouseError as error:
            response = http_error(error).get_response()
        except HTTPError as error:
            response = error.get_response()
        except Exception:
            log.exception("%s %s failed.", request.method, environ["PATH_INFO"])
            response = HTTPError(500, "The index failed to handle this; its log says why.").get_response()
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        """Raises `HTTPError`, `WheelhouseError`."""
        path = path_of(request.environ)
        if path == "/RPC2" and request.method == "POST":
            return xmlrpc.answer(Catalogue(self._index.database, self._logins.reader(request)), request)
        if self._trusted_publishing.is_asked(path):
            return self._trusted_publishing.answer(request, path)
        if self._audits.is_asked(path):
            return self._audits.answer(request, path)
        if path == "/fleet/heartbeat" and request.method == "POST":
            return self._heartbeat(request)
        if self._account.is_asked(path):
            return self._account.answer(request, path)
        if request.method not in ("GET", "HEAD"):
            raise HTTPError(405, f"Uploads go to {self._config.current().index_url}/ and nothing else is sent here.")
        try:
            answer, parts = self._routes.match(path)
        except HTTPException:
            raise HTTPError(404, "There is no such page on this index.") from None
        response: Response = answer(request, **parts)
        return response

    def _refuse_foreign_pages(self, request: Request) -> None:
        """Raises `HTTPError` for what a page of another site has a browser send, which adds the login by itself.

        Browsers say whose page it was, in one of two headers; twine, uv and the like send neither.
        """
        origins, sites = (None, _origin(self._config.current().index_url)), (None, "same-origin", "none")
        if request.headers.get("Origin") not in origins or request.headers.get("Sec-Fetch-Site") not in sites:
            raise HTTPError(403, FOREIGN_PAGE)

    def _publisher(self, _: Request, user: str) -> Response:
        """Whether somebody, or the token `:ID`, may publish anything. The gateway asks before it reads an upload."""
        settings = self._config.current()
        login = self._logins.of_token(user[1:]) if user.startswith(":") else self._logins.of_user(user)
        if sentence := login.why_nothing(settings) if login else permissions.nothing(user, settings.ask):
            raise HTTPError(403, sentence)
        return Response(content_type="text/plain; charset=utf-8")

    def _login(self, request: Request) -> Response:
        """Whether a login with a token, or an account of the company's directory, is right, and what it may read.

        The gateway asks, and remembers the answer; see logins.lua.
        """
        login = self._logins.require(request)
        reads = " ".join(login.reads(self._config.current()))
        return Response(headers={READS: reads}, content_type="text/plain; charset=utf-8")

    def _token_used(self, _: Request, name: str) -> Response:
        """The gateway says once a day that a token is in use whose login it remembers."""
        if token := self._tokens.find(name):
            self._tokens.note_used(token)
        return Response(content_type="text/plain; charset=utf-8")

    def _end_tokens(self) -> None:
        """See to it that the tokens of those who leave end, and that the gateway knows which are in force."""
        self._tokens.refresh(self._logins.owners())

    def _restrict(self) -> None:
        """See to it that restricted projects are in no list that everybody is given."""
        self._index.restrict(self._config.current().restricted)

    def _heartbeat(self, request: Request) -> Response:
        """How the last pull of an enrolled host went, which its signature says is true."""
        request.max_content_length = heartbeats.MAX_SIZE
        try:
            sent = request.get_data(cache=False)
        except HTTPException:
            raise HTTPError(413, f"A heartbeat has at most {heartbeats.MAX_SIZE} bytes.") from None
        heartbeats.receive(sent, self._config.directory, self._index.database)
        return Response("The heartbeat is kept.\n", content_type="text/plain; charset=utf-8")

    def _health(self, _: Request) -> Response:
        """The gateway passes on whether it is 200; why it is not, is for this host."""
        if fault := self._health_of_index.fault():
            raise HTTPError(503, fault)
        return Response(json.dumps({"status": "ok"}), content_type="application/json")


def _origin(url: str) -> str:
    """The origin of an address as browsers write it."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port not in (None, {"http": 80, "https": 443}.get(parts.scheme)) else ""
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"
