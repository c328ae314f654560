"""What the tests of the policy `cached` ask of the index, and of its cache."""

import json
from pathlib import Path

from .public import JSON
from .samples import Answer, Client

PAGE = "/simple/requests/"
NAME = "requests-1.0-py3-none-any.whl"
FILE = f"/cached/requests/{NAME}"


def page(client: Client, path: str = PAGE) -> dict:
    answer = client.send("GET", path, HTTP_ACCEPT=JSON)
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


def listed(client: Client, path: str = PAGE) -> list[str]:
    return [file["filename"] for file in page(client, path)["files"]]


def kept(cache: Path) -> list[str]:
    """Every file in the cache, wherever it is."""
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())


def is_no_page(answer: Answer, status: int, says: str) -> None:
    assert (answer.status, "X-Accel-Expires" in answer.headers) == (status, False), answer.text
    assert says in answer.text
