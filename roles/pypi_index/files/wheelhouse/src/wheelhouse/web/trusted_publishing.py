"""Publishing from CI without a password: what PyPI calls Trusted Publishing, at its addresses, and PEP 807.

A job asks what its identity has to be for, has its CI system make one, and is given a token for it.
"""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from wheelhouse.config import Config
from wheelhouse.errors import Conflict, Forbidden, Rejected, WheelhouseError
from wheelhouse.index.ci_tokens import CITokens
from wheelhouse.index.database import Database
from wheelhouse.index.events import instant
from wheelhouse.index.tokens import Tokens
from wheelhouse.oidc.identities import Identities
from wheelhouse.web.responses import HTTPError, http_error, origin_of, sent_object

log = logging.getLogger(__name__)

AUDIENCE, MINT, BURN = "/_/oidc/audience", "/_/oidc/mint-token", "/_/oidc/burn-token"
MINT_AS_BEFORE = "/_/oidc/github/mint-token"
"""Where PyPI had it when GitHub was alone; older clients go there."""
DISCOVERY = "/.well-known/pytp"
MAX_BODY = 16 * 2**10
_FEATURES = ["multi-use-token"]
_UPLOADS_GO_TO = (None, "", "/")


class TrustedPublishing:
    """Answers what is asked of these addresses, which need no login."""

    def __init__(self, config: Config, database: Database, tokens: Tokens) -> None:
        self._config = config
        self._tokens = CITokens(database, tokens)
        self._identities = Identities()

    @staticmethod
    def is_asked(path: str) -> bool:
        """Whether a path is one of these."""
        return path.startswith("/_/oidc/") or path == DISCOVERY

    def answer(self, request: Request, path: str) -> Response:
        """Errors are in the form of RFC 9457, and of PyPI."""
        request.max_content_length = MAX_BODY
        try:
            return self._answer(request, path)
        except HTTPError as error:
            return _problem(error, "invalid-payload")
        except HTTPException as error:
            status = error.code or HTTPStatus.BAD_REQUEST
            return _problem(HTTPError(status, "The request cannot be read, or is too long."), "invalid-payload")
        except (Rejected, Conflict, Forbidden) as error:
            log.info("No token for a job, from %s: %s", origin_of(request), ascii(str(error)))
            code = "invalid-publisher" if isinstance(error, Forbidden) else "invalid-token"
            return _problem(HTTPError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)), code)
        except WheelhouseError as error:
            log.warning("No token for a job, from %s: %s", origin_of(request), ascii(str(error)))
            return _problem(http_error(error), "unavailable")

    def _answer(self, request: Request, path: str) -> Response:
        """Raises `HTTPError`, `WheelhouseError`."""
        reads = request.method in ("GET", "HEAD")
        if path == BURN and request.method == "POST":
            # The same for any text, so that nobody learns by it which tokens there are.
            self._tokens.burn(_given(request)["token"], origin_of(request))
            return _json({"message": "Accepted"}, HTTPStatus.ACCEPTED)
        settings = self._config.current()
        if not settings.publishers:
            raise HTTPError(404, f"No CI job may publish here without a password; to change that, {settings.ask}.")
        if path == AUDIENCE and reads:
            return _json({"audience": settings.audience})
        if path == DISCOVERY and reads and request.args.get("discover") in _UPLOADS_GO_TO:
            return _json(
                {
                    "audience-endpoint": f"{settings.index_url}{AUDIENCE}",
                    "token-mint-endpoint": f"{settings.index_url}{MINT}",
                    "features": _FEATURES,
                    "default-features": _FEATURES,
                }
            )
        if path in (MINT, MINT_AS_BEFORE) and request.method == "POST":
            return self._mint(request)
        raise HTTPError(404, "There is no such address on this index.")

    def _mint(self, request: Request) -> Response:
        given, settings = _given(request), self._config.current()
        if given.get("features", _FEATURES) != _FEATURES:
            raise HTTPError(HTTPStatus.UNPROCESSABLE_ENTITY, "This index makes tokens for several uses alone.")
        granted = self._identities.check(given["token"], settings)
        publishes = [pattern for one in granted.publishers for pattern in one.publishes]
        publishers = [one.id for one in granted.publishers]
        token, text = self._tokens.create(granted.identity, publishers, publishes, origin_of(request))
        log.info("%s was given the token %s, from %s.", ascii(token.owner), token.id, origin_of(request))
        return _json({"success": True, "token": text, "expires": int(instant(token.until or "").timestamp())})


def _given(request: Request) -> Mapping[str, Any]:
    """The JSON object that was sent, with a `token`; raises `HTTPError`, `HTTPException`."""
    given = sent_object(request)
    if given is None or not isinstance(given.get("token"), str):
        raise HTTPError(HTTPStatus.UNPROCESSABLE_ENTITY, 'Send a JSON object such as {"token": "..."}.')
    return given


def _json(content: Any, status: int = HTTPStatus.OK) -> Response:
    return Response(json.dumps(content) + "\n", status, {"Cache-Control": "no-store"}, content_type="application/json")


def _problem(error: HTTPError, code: str) -> Response:
    response = error.get_response()
    status = HTTPStatus(response.status_code)
    said = {"title": status.phrase, "status": status.value, "detail": error.sentence}
    of_pypi = {"message": "Token request failed", "errors": [{"code": code, "description": error.sentence}]}
    response.set_data(json.dumps({**said, **of_pypi}) + "\n")
    response.content_type = "application/problem+json"
    response.headers["Cache-Control"] = "no-store"
    return response
