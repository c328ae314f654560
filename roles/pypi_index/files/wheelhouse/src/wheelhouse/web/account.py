"""The tokens of whoever is logged in: a page for people, and the same as JSON for programs."""

import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from wheelhouse.config import Config
from wheelhouse.errors import Rejected, WheelhouseError
from wheelhouse.index.tokens import LONGEST, Token, Tokens, Wanted, lasting, until_day
from wheelhouse.web.html import HEADERS, Pages
from wheelhouse.web.logins import TOKENS_PATH, Login, Logins
from wheelhouse.web.responses import HTTPError, http_error, origin_of, redirect, sent_object

API_PATH = "/api/tokens"
MAX_BODY = 16 * 2**10
LASTING = (("1d", "a day"), ("7d", "a week"), ("30d", "30 days"), ("90d", "90 days"), ("366d", "a year"))
_PRIVATE = {
    "Cache-Control": "no-store",
    # With `no-referrer`, browsers would hide from us whose page a form is on.
    "Referrer-Policy": "same-origin",
}


class Account:
    """Answers what is asked of `TOKENS_PATH` and `API_PATH`, and below them."""

    def __init__(self, config: Config, tokens: Tokens, logins: Logins, pages: Pages) -> None:
        self._config = config
        self._tokens = tokens
        self._logins = logins
        self._pages = pages

    @staticmethod
    def is_asked(path: str) -> bool:
        """Whether a path is one of these."""
        return any(path == one or path.startswith(f"{one}/") for one in (TOKENS_PATH, API_PATH))

    def answer(self, request: Request, path: str) -> Response:
        """Raises `HTTPError`, `WheelhouseError`."""
        request.max_content_length = MAX_BODY
        if request.method not in ("GET", "HEAD", "POST"):
            raise HTTPError(405, "Tokens are listed with GET, and made and revoked with POST.")
        try:
            login = self._logins.require(request)
            if path.startswith(API_PATH):
                return self._answer_program(request, path.removeprefix(API_PATH), login)
            return self._answer_person(request, path.removeprefix(TOKENS_PATH), login)
        except HTTPError:
            raise
        except HTTPException as error:
            raise HTTPError(error.code or HTTPStatus.BAD_REQUEST, "The request cannot be read.") from error

    # --- for people

    def _answer_person(self, request: Request, rest: str, login: Login) -> Response:
        self._refuse_tokens(login)
        if rest == "" and request.method in ("GET", "HEAD"):
            return self._page(login)
        if request.method != "POST":
            raise HTTPError(404, "There is no such page on this index.")
        if "Origin" not in request.headers and "Sec-Fetch-Site" not in request.headers:
            raise HTTPError(403, f"A browser would say whose page sent this: programs use {API_PATH}.")
        if rest == "":
            return self._create_by_form(request, login)
        identity, _, verb = rest.strip("/").partition("/")
        if verb != "revoke":
            raise HTTPError(404, "There is no such page on this index.")
        self._tokens.revoke([identity], login.user, owner=login.user, origin=origin_of(request))
        return redirect(TOKENS_PATH, HTTPStatus.SEE_OTHER)

    def _create_by_form(self, request: Request, login: Login) -> Response:
        form = request.form
        try:
            wanted = Wanted(
                owner=login.user,
                name=" ".join(form.get("name", "").split()),
                reads="reads" in form,
                publishes=form.get("publishes", "").replace(",", " ").split(),
                until=_not_too_late(lasting(form.get("for", "30d"))),
            )
            token, text = self._create(request, login, wanted)
        except WheelhouseError as error:
            return self._page(login, status=http_error(error).code or 400, error=str(error), form=form)
        return self._page(login, created=token, text=text)

    def _page(
        self,
        login: Login,
        *,
        status: int = HTTPStatus.OK,
        error: str = "",
        created: Token | None = None,
        text: str = "",
        form: Any = None,
    ) -> Response:
        settings, mine = self._config.current(), self._tokens.of(login.user)
        return self._pages.render(
            "tokens.html",
            status,
            HEADERS | _PRIVATE,
            user=login.user,
            tokens=[one for one in mine if one.machine is None],
            machines=[one for one in mine if one.machine is not None and one.is_live()],
            granted=login.of_owner(settings),
            lasting=LASTING,
            created=created,
            text=text,
            error=error,
            form=form or {},
        )

    # --- for programs

    def _answer_program(self, request: Request, rest: str, login: Login) -> Response:
        match request.method, rest.strip("/").split("/"):
            case (("GET" | "HEAD"), [""]):
                self._refuse_tokens(login, unless_they_manage=True)
                return _json({**self._about(login), "tokens": [_described(one) for one in self._tokens.of(login.user)]})
            case (("GET" | "HEAD"), ["current"]):
                return _json({**self._about(login), "token": _described(login.token) if login.token else None})
            case "POST", [""]:
                self._refuse_tokens(login, unless_they_manage=True)
                token, text = self._create(request, login, self._wanted(request, login))
                return _json({**_described(token), "token": text}, HTTPStatus.CREATED)
            case "POST", [identity, "revoke"]:
                if identity == "current" and login.token:
                    identity = login.token.id  # a token may always end itself
                else:
                    self._refuse_tokens(login, unless_they_manage=True)
                ended = self._tokens.revoke([identity], login.user, owner=login.user, origin=origin_of(request))
                return _json({"revoked": [one.id for one in ended]})
        raise HTTPError(404, "There is no such address on this index.")

    def _wanted(self, request: Request, login: Login) -> Wanted:
        if request.mimetype != "application/json":
            raise HTTPError(415, "Send a JSON object as application/json.")
        given = sent_object(request)
        if given is None:
            raise HTTPError(
                400, 'Send a JSON object such as {"name": "ci", "publishes": ["acme-hello"], "for": "10m"}.'
            )
        kinds = {"name": str, "reads": bool, "publishes": list, "manages": bool, "for": str, "until": str}
        for key, value in given.items():
            if key not in kinds:
                raise HTTPError(400, f"There is no {key[:40]!r}: a token has {', '.join(kinds)}.")
            if not isinstance(value, kinds[key]):
                raise HTTPError(400, f"{key} is no {'text' if kinds[key] is str else kinds[key].__name__}.")
        if not all(isinstance(one, str) for one in given.get("publishes", [])):
            raise HTTPError(400, "publishes is no list of texts.")
        if ("for" in given) == ("until" in given):
            raise HTTPError(400, 'Write either "for", such as "10m", or "until", such as "2026-12-31".')
        return Wanted(
            owner=login.user,
            name=given.get("name", ""),
            reads=given.get("reads", True),
            publishes=given.get("publishes", []),
            until=_not_too_late(lasting(given["for"]) if "for" in given else until_day(given["until"])),
            manages=given.get("manages", False),
        )

    # --- for both

    def _create(self, request: Request, login: Login, wanted: Wanted) -> tuple[Token, str]:
        """Raises `WheelhouseError`, `HTTPError`."""
        parent = login.token
        if parent:
            if wanted.manages or (wanted.reads and not parent.reads):
                raise HTTPError(403, f"The token {parent.name!r} can make none that may do more than it may itself.")
            if parent.until and wanted.until and wanted.until > datetime.fromisoformat(parent.until):
                raise HTTPError(403, f"The token {parent.name!r} can make none that lasts longer than itself.")
        return self._tokens.create(wanted, login.grantable(self._config.current()), login.user, origin_of(request))

    def _refuse_tokens(self, login: Login, *, unless_they_manage: bool = False) -> None:
        if login.token and not (unless_they_manage and login.token.manages):
            raise HTTPError(403, f"The token {login.token.name!r} may not manage tokens: log in with your password.")

    def _about(self, login: Login) -> dict[str, Any]:
        settings = self._config.current()
        return {"user": login.user, "publishes": list(login.grantable(settings)), "installs": _installs(login)}


def _installs(login: Login) -> bool:
    return login.token is None or login.token.reads


def _described(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "state": token.state,
        "reads": token.reads,
        "publishes": list(token.publishes),
        "manages": token.manages,
        "created": token.created,
        "created_by": token.created_by,
        "until": token.until,
        "last_used": token.last_used,
        "revoked": token.revoked,
        "revoked_by": token.revoked_by,
        "machine": token.machine,
    }


def _json(content: Any, status: int = HTTPStatus.OK) -> Response:
    return Response(json.dumps(content) + "\n", status, {"Cache-Control": "no-store"}, content_type="application/json")


def _not_too_late(until: datetime) -> datetime:
    """Raises `Rejected`."""
    if until > datetime.now(UTC) + LONGEST + timedelta(minutes=1):
        raise Rejected(f"A token lasts for at most {LONGEST.days} days.")
    return until
