"""`pip search --index URL WORDS`: the one method of the old XML-RPC interface that clients still call."""

import re
import xmlrpc.client
from http import HTTPStatus
from typing import Any
from xml.parsers.expat import ExpatError

from defusedxml.xmlrpc import DefusedExpatParser
from werkzeug.wrappers import Request, Response

from wheelhouse.index.search import Catalogue
from wheelhouse.web.responses import HTTPError

MAX_BODY = 16 * 2**10
"""Bytes of a request."""
MAX_HITS = 100
"""Projects that pip is told of; beyond that, more words find more than more lines do."""
_NO_METHOD, _BAD_PARAMETERS = -32601, -32602
"""Codes of the specification for fault codes that XML-RPC servers agree on."""

# What the standard library raises for XML that is no call, and defusedxml (a ValueError) for what it forbids.
_NO_CALL = (
    ExpatError,
    xmlrpc.client.Error,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
)


def answer(catalogue: Catalogue, request: Request) -> Response:
    """What to answer to a call; raises `HTTPError` where what was sent is none."""
    method, parameters = _call(_body(request))
    if method != "search":
        return _fault(_NO_METHOD, "This index knows the method search alone, which is what pip search calls.")
    words = _words(parameters)
    if words is None:
        return _fault(_BAD_PARAMETERS, "search takes what pip search sends: {name: [words], summary: [words]}, 'or'.")
    hits = [
        {"name": entry.title, "summary": entry.summary or "", "version": entry.version, "_pypi_ordering": number}
        for number, entry in enumerate(catalogue.search(" ".join(words), 0, MAX_HITS).entries)
        # pip would call the version the latest, and not install it
        if entry.installable
    ]
    return _answer(xmlrpc.client.dumps((hits,), methodresponse=True))


def _body(request: Request) -> bytes:
    """Raises `HTTPError`."""
    told = request.environ.get("CONTENT_LENGTH") or ""
    if not re.fullmatch("[0-9]{1,18}", told):
        raise HTTPError(HTTPStatus.LENGTH_REQUIRED, "The search does not say how long it is: send a Content-Length.")
    if int(told) > MAX_BODY:
        raise HTTPError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The search is bigger than {MAX_BODY} bytes.")
    return request.get_data(cache=False)


def _call(body: bytes) -> tuple[str | None, tuple[Any, ...]]:
    """Name and parameters of the method; raises `HTTPError`.

    Entities and document types, which is what XML bombs are made of, are refused before anything is expanded.
    """
    call = xmlrpc.client.Unmarshaller()
    try:
        parser = DefusedExpatParser(call, forbid_dtd=True)
        parser.feed(body)
        parser.close()
        return call.getmethodname(), call.close()
    except _NO_CALL as error:
        raise HTTPError(HTTPStatus.BAD_REQUEST, "This is not the call by XML-RPC that pip search sends.") from error


def _words(parameters: tuple[Any, ...]) -> list[str] | None:
    """What is searched for, each word once; None if that cannot be told.

    pip sends the same words for the name and for the summary.
    """
    if not parameters or not isinstance(parameters[0], dict):
        return None
    words: dict[str, None] = {}
    for field in ("name", "summary"):
        wanted = parameters[0].get(field, [])
        wanted = [wanted] if isinstance(wanted, str) else wanted
        if not isinstance(wanted, list) or not all(isinstance(word, str) for word in wanted):
            return None
        words |= dict.fromkeys(wanted)
    return list(words)


def _fault(code: int, sentence: str) -> Response:
    return _answer(xmlrpc.client.dumps(xmlrpc.client.Fault(code, sentence)))


def _answer(text: str) -> Response:
    return Response(text, content_type="text/xml; charset=utf-8")
