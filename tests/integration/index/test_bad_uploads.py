"""Uploads that must be refused, with nginx in between: each with its status and a sentence, and the shelf as it was.

What the program itself makes of a hundred other files is in tests/unit/index/test_bad_uploads.py.
"""

from __future__ import annotations

import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from company import eventually
from gateway import TOO_MANY_REFUSED, Answer, Gateway, Login
from index.samples import MULTIPART, Wheel, metadata, multipart, sdist
from shelf import Shelf

pytestmark = pytest.mark.usefixtures("as_in_the_inventory")

NAME = "acme_bad-1.0-py3-none-any.whl"
GOOD = Wheel("acme_bad").build()
FORM = {":action": "file_upload", "protocol_version": "1"}


@dataclass(frozen=True)
class Bad:
    """A request that is no upload to be taken, and what has to be said about it."""

    id: str
    status: int
    says: str
    filename: str | None = NAME
    content: bytes = GOOD
    body: bytes | None = None
    """Instead of the form with the file."""
    headers: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    login: Login = "ada"

    def send(self, gateway: Gateway) -> Answer:
        body = multipart(FORM | self.fields, self.filename, self.content) if self.body is None else self.body
        return gateway.ask("/", "POST", self.login, {"Content-Type": MULTIPART} | self.headers, body)


def slipping(path: str) -> bytes:
    """A wheel with a member that wants to be somewhere else."""
    return Wheel("acme_bad", entries=lambda archive: archive.writestr(zipfile.ZipInfo(path), b"x")).build()


WHOLE = multipart(FORM, NAME, GOOD)
CORPUS = [
    Bad("no-login", 401, "", login=None),
    Bad("wrong-password", 401, "", login=("ada", "guess")),
    Bad("may-only-install", 403, "leo may not publish anything", login="leo"),
    Bad("name-of-another", 403, "ada may not publish requests", "requests-99.0-py3-none-any.whl"),
    Bad("not-multipart", 400, "not an upload", body=GOOD, headers={"Content-Type": "application/octet-stream"}),
    Bad("json", 400, "not an upload", body=b"{}", headers={"Content-Type": "application/json"}),
    Bad("form-cut-off", 400, "", body=WHOLE[: len(WHOLE) // 2]),
    Bad("empty-body", 400, "", body=b""),
    Bad("no-file", 400, "not an upload", None),
    Bad("other-action", 400, "not an upload", fields={":action": "remove_pkg", "name": "acme-bad", "version": "1.0"}),
    Bad("empty-file", 400, "is empty", content=b""),
    Bad("no-archive", 400, "not a readable archive", content=b"\0" * 5000),
    Bad("zip-slip", 400, "outside its place", content=slipping("../../../../config/htpasswd")),
    Bad("absolute-member", 400, "outside its place", content=slipping("/etc/cron.d/evil")),
    Bad("other-name-inside", 400, "its metadata say requests", content=Wheel("acme_bad", metadata=metadata("requests")).build()),
    Bad("path-in-file-name", 400, "may hold only", f"../../simple/{NAME}"),
    Bad("absolute-file-name", 400, "may hold only", f"/srv/{NAME}"),
    Bad("sdist-of-another", 400, "its metadata say requests", "acme_bad-1.0.tar.gz", sdist("acme_bad", pkg_info=metadata("requests"))),
    Bad("wrong-digest", 400, "The file's sha256 is", fields={"sha256_digest": "0" * 64}),
    Bad("too-big", 413, "bigger than", body=b"", headers={"Content-Length": str(2**30 + 2**25)}),
    Bad("header-too-long", 400, "Too Large", headers={"X-Long": "x" * 70_000}),
]  # fmt: skip


@pytest.fixture(scope="module")
def shelved(gateway: Gateway, version: str) -> Wheel:
    """A published wheel that somebody would like to replace."""
    wheel = Wheel("acme_shelved", version)
    assert gateway.upload(wheel.filename, wheel.build()).status == 200
    return wheel


@pytest.fixture
def untouched(shelf: Shelf, shelved: Wheel) -> Iterator[None]:
    """The shelf is afterwards what it was before."""
    before = shelf.snapshot()
    yield
    assert shelf.snapshot() == before


def check(answer: Answer, status: int, says: str) -> None:
    assert answer.status == status and says in answer.text, (answer, answer.text)
    sentence = answer.text.strip()
    if status != 401 and says != "Too Large":  # those are nginx's own pages
        assert "<" not in sentence and sentence.endswith("."), "a sentence, for people"
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_an_upload_in_chunks_is_as_good_as_any(gateway: Gateway, version: str) -> None:
    """Before all that is refused below, after which uploads are not taken for a minute."""
    wheel = Wheel("acme_chunked", version)
    body = multipart(FORM, wheel.filename, wheel.build())
    headers = {"Content-Type": MULTIPART, "Transfer-Encoding": "chunked"}

    def send() -> Answer:
        return gateway.ask(
            "/", "POST", headers=headers, body=(body[at : at + 1000] for at in range(0, len(body), 1000))
        )

    eventually(lambda: TOO_MANY_REFUSED not in send().text, "uploads are taken again")
    answer = send()
    assert answer.status == 200, answer
    assert wheel.filename in [file["filename"] for file in gateway.page("acme-chunked")["files"]]


@pytest.mark.parametrize("bad", [pytest.param(bad, id=bad.id) for bad in CORPUS])
def test_refused(gateway: Gateway, untouched: None, bad: Bad) -> None:
    check(bad.send(gateway), bad.status, bad.says)


@pytest.mark.parametrize("filename", ["{0.filename}", "Acme.Shelved-{0.version}-py3-none-any.whl"])
def test_a_published_file_is_not_replaced(gateway: Gateway, shelved: Wheel, untouched: None, filename: str) -> None:
    name = filename.format(shelved)
    other = Wheel(name.split("-")[0], shelved.version, {"other.py": b"other\n"})
    check(gateway.upload(name, other.build()), 409, shelved.filename)


def test_the_same_file_again_changes_nothing(gateway: Gateway, shelved: Wheel, untouched: None) -> None:
    """As when an answer was lost on its way."""
    assert gateway.upload(shelved.filename, shelved.build()).status == 200


def request(gateway: Gateway, body: bytes, *headers: str) -> bytes:
    """An upload by ada, byte for byte."""
    login = gateway.authorization("ada")["Authorization"]
    lines = [
        "POST / HTTP/1.1",
        f"Host: {gateway.name}",
        f"Authorization: {login}",
        f"Content-Type: {MULTIPART}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_an_upload_cut_off_on_its_way_leaves_nothing(gateway: Gateway, untouched: None) -> None:
    whole = multipart(FORM, NAME, Wheel("acme_bad", members={"data.bin": bytes(range(256)) * 10_000}).build())
    for part in (0, 100, len(whole) // 2, len(whole) - 1):
        gateway.abandon(request(gateway, whole[:part], f"Content-Length: {len(whole)}"))


CHUNK = b"%x\r\n%s\r\n"
AMBIGUOUS: dict[str, Callable[[Gateway], bytes]] = {
    "two-lengths": lambda gateway: request(gateway, WHOLE, f"Content-Length: {len(WHOLE)}", "Content-Length: 5"),
    "length-and-chunks": lambda gateway: request(
        gateway,
        CHUNK % (len(WHOLE), WHOLE) + b"0\r\n\r\n",
        f"Content-Length: {len(WHOLE)}",
        "Transfer-Encoding: chunked",
    ),
    "unknown-coding": lambda gateway: request(gateway, WHOLE, "Transfer-Encoding: gzip, chunked"),
    "space-before-colon": lambda gateway: request(gateway, WHOLE, f"Content-Length : {len(WHOLE)}"),
    "negative-length": lambda gateway: request(gateway, WHOLE, "Content-Length: -1"),
    "broken-chunks": lambda gateway: request(gateway, b"zz\r\n" + WHOLE, "Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("how", AMBIGUOUS)
def test_what_two_servers_could_read_in_two_ways_is_refused(gateway: Gateway, untouched: None, how: str) -> None:
    answer = gateway.raw(AMBIGUOUS[how](gateway))
    assert answer.split()[1:2] in ([b"400"], [b"411"], [b"501"]), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1, "and the rest is not taken for another request"


def test_who_sends_slowly_keeps_nobody_waiting(gateway: Gateway, untouched: None) -> None:
    """More uploads that stand still than the program has threads; it has not heard of any of them yet."""
    waiting: list[socket.socket] = []
    try:
        for _ in range(40):
            connection = gateway.connection()
            connection.connect()
            connection.sock.sendall(request(gateway, WHOLE[:50], f"Content-Length: {len(WHOLE)}"))
            waiting.append(connection.sock)
        began = time.monotonic()
        for _ in range(3):
            check(gateway.upload(NAME, b"no wheel"), 400, "not a readable archive")
            assert gateway.page("acme-shelved")["files"]
        assert time.monotonic() - began < 20, "three answers, not a place in a queue"
    finally:
        for slow in waiting:
            slow.close()
