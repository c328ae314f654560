"""Whether the server in this container is well: what Docker asks all the time, so that this imports little."""

import http.client
import sys
from http import HTTPStatus
from pathlib import Path

from wheelhouse.web import handover

_TIMEOUT = 4.0


def report() -> int:
    """Print what it answers; returns 0 if it is well, or else 1."""
    address = handover.listen()
    try:
        status, text = _ask(address)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or error
        print(f"wheelhouse: The program does not answer at {address}: {reason}.", file=sys.stderr)
        return 1
    print(text)
    return 0 if status == HTTPStatus.OK else 1


def _ask(address: str) -> tuple[int, str]:
    if address.startswith("unix:"):
        place = Path(address.removeprefix("unix:"))
        return handover.ask(handover.own(place) or place, "GET", "/health")
    # Not urllib, which would ask a proxy named by the environment.
    connection = http.client.HTTPConnection("127.0.0.1", int(address.rpartition(":")[2]), timeout=_TIMEOUT)
    connection.request("GET", "/health")
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace").strip()
