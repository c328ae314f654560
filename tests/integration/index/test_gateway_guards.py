"""What the gateway and the program refuse: foreign pages, uploads that go astray, links, and ways past the gateway."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator

import pytest
from company import eventually
from gateway import JSON, PAGE, Gateway
from index.samples import MULTIPART, Wheel, multipart
from shelf import PLACE, Shelf
from testinfra.host import Host

FOREIGN = "A page of another web site sent this"
CALL = b"<?xml version='1.0'?><methodCall><methodName>search</methodName><params><param><value><struct/></value></param></params></methodCall>"


# --- foreign pages


@pytest.fixture(scope="module")
def own(gateway: Gateway) -> str:
    return f"https://{gateway.name}"


HEADERS = {
    "another site": {"Origin": "https://evil.example"},
    "a neighbour": {"Origin": "https://wiki.acme.example"},
    "without TLS": {"Origin": "http://packages.acme.example"},
    "another port": {"Origin": "https://packages.acme.example:8443"},
    "its name in front": {"Origin": "https://packages.acme.example.evil.example"},
    "nowhere": {"Origin": "null"},
    "cross-site": {"Sec-Fetch-Site": "cross-site"},
    "same-site": {"Sec-Fetch-Site": "same-site"},
    "an origin that lies": {"Origin": "https://packages.acme.example", "Sec-Fetch-Site": "same-site"},
    "a site that lies": {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
@pytest.mark.parametrize("path", ["/", "/RPC2", "//", "/_upload"])
def test_a_foreign_page_publishes_nothing(gateway: Gateway, shelf: Shelf, path: str, headers: dict[str, str]) -> None:
    wheel = Wheel("acme_foreign", "1.0")
    before = shelf.snapshot()
    body = multipart({":action": "file_upload"}, wheel.filename, wheel.build())
    answer = gateway.ask(path, "POST", headers={"Content-Type": MULTIPART, **headers}, body=body)
    assert answer.status == 403 and FOREIGN in answer.text
    assert shelf.snapshot() == before


@pytest.mark.parametrize("origins", [("{own}", "https://evil.example"), ("https://evil.example", "{own}")])
def test_of_several_origins_none_counts(gateway: Gateway, own: str, origins: tuple[str, str]) -> None:
    lines = "".join(f"Origin: {origin.format(own=own)}\r\n" for origin in origins)
    login = gateway.authorization("ada")["Authorization"]
    head = f"POST /RPC2 HTTP/1.1\r\nHost: {gateway.name}\r\nAuthorization: {login}\r\n{lines}Connection: close\r\n"
    answer = gateway.raw(f"{head}Content-Length: {len(CALL)}\r\n\r\n".encode() + CALL)
    assert answer.split()[1] == b"403"


def test_clients_and_pages_of_our_own_may_post(gateway: Gateway, own: str, version: str) -> None:
    allowed = [{}, {"Origin": own}, {"Sec-Fetch-Site": "same-origin", "Origin": own}, {"Sec-Fetch-Site": "none"}]
    for number, headers in enumerate([*allowed, {"Referer": "https://evil.example/"}]):
        wheel = Wheel("acme_own_page", f"{version}.{number}")
        body = multipart({":action": "file_upload"}, wheel.filename, wheel.build())
        assert gateway.ask("/", "POST", headers={"Content-Type": MULTIPART, **headers}, body=body).status == 200, (
            headers
        )
        assert gateway.ask("/RPC2", "POST", headers=headers, body=CALL).status == 200, headers


def test_reading_from_anywhere_is_reading(gateway: Gateway, wheel: Wheel) -> None:
    assert gateway.ask(PAGE, headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}).status == 200


# --- addresses


@pytest.mark.parametrize(
    "path", ["/simple/", "/simple", "/legacy/", "/pypi", "/pypi/", "/upload", "/projects/x/", "/search"]
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_upload_to_another_address_is_told_the_right_one(gateway: Gateway, path: str, method: str, own: str) -> None:
    wheel = Wheel("acme_astray")
    body = multipart({":action": "file_upload"}, wheel.filename, wheel.build())
    answer = gateway.ask(path, method, headers={"Content-Type": MULTIPART}, body=body)
    assert answer.status == 405
    assert f"Uploads go to {own}/ " in answer.text and f"Uploads go to {own}/ " in answer.reason
    assert answer.headers["Allow"] == "GET, HEAD"


def test_it_is_told_before_the_body_is_sent(gateway: Gateway) -> None:
    """Most of a body that was announced never comes, and the answer is there all the same."""
    login = gateway.authorization("ada")["Authorization"]
    leo = gateway.authorization("leo")["Authorization"]
    for path, who, status in (("/legacy/", login, 405), ("/projects/x/", login, 405), ("/", leo, 403)):
        began = time.monotonic()
        head = f"POST {path} HTTP/1.1\r\nHost: {gateway.name}\r\nAuthorization: {who}\r\nContent-Type: {MULTIPART}\r\n"
        line = gateway.first_line(f"{head}Content-Length: 50000000\r\n\r\n".encode() + b"x" * 1000)
        assert f" {status} " in line, (path, line)
        assert time.monotonic() - began < 10, path


def test_who_may_publish_nothing_reads_why(gateway: Gateway) -> None:
    answer = gateway.upload("acme_leo-1.0-py3-none-any.whl", b"x" * 100_000, "leo")
    sentence = "leo may not publish anything; to change that, ask it@acme.example."
    assert (answer.status, answer.text.strip(), answer.reason) == (403, sentence, sentence)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/simple", "/simple/"),
        ("/packages", "/packages/"),
        ("/simple/acme-gateway", "/simple/acme-gateway/"),
        ("/simple/Acme_Gateway/", "/simple/acme-gateway/"),
        ("/project/acme-gateway/1.0/", "/projects/acme-gateway/"),
        ("/project/Acme_Gateway/", "/projects/acme-gateway/"),
        ("/pypi/acme-gateway", "/projects/acme-gateway/"),
        ("/pypi/acme-gateway/1.0", "/projects/acme-gateway/"),
        ("/acme-gateway", "/projects/acme-gateway/"),
        ("//Acme_Gateway", "/projects/acme-gateway/"),
        ("/projects/Acme_Gateway", "/projects/acme-gateway/"),
    ],
)
def test_addresses_that_lead_on(gateway: Gateway, wheel: Wheel, path: str, location: str) -> None:
    """Without host and port, so that whoever came in by a forwarded port stays on it."""
    answer = gateway.ask(path)
    assert answer.status in (301, 302)
    assert answer.headers["Location"] == location


@pytest.mark.parametrize(
    "path", ["/pypi/acme-gateway/json", "/pypi/acme-gateway/1.0/json", "/publishers/ada", "/searchx"]
)
def test_addresses_that_do_not(gateway: Gateway, wheel: Wheel, path: str) -> None:
    assert gateway.ask(path).status == 404


@pytest.mark.parametrize(
    "path", ["/simple/{}", "/simple/{}/", "/projects/{}/", "/packages/{}/x", "/{}", "/cached/{}/{}.whl"]
)
@pytest.mark.parametrize("length", [256, 3000])
def test_a_name_that_is_too_long_is_not_there(gateway: Gateway, path: str, length: int) -> None:
    answer = gateway.ask(path.format("x" * length, "x" * 300))
    if answer.status in (301, 302):
        answer = gateway.ask(answer.headers["Location"])
    assert answer.status == 404


# --- the form of a page

V1, LATEST, OTHER = JSON, "application/vnd.pypi.simple.latest+json", "application/vnd.pypi.simple.v1+html"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (f"{V1};q=0, text/html", "text/html"),
        (f"{V1};q=0", "text/html"),
        (f"{V1};q=0.000, */*", "text/html"),
        (f"{V1};q=0.2, text/html", "text/html"),
        (f"text/html;q=0.2, {V1}", JSON),
        (f"text/html;q=0.2,{V1};q=0.9", JSON),
        (f"text/html; q=0.9, {V1}; q=0.1", "text/html"),
        (f"{V1};q=0.1, {LATEST};q=0.9, text/html;q=0.5", JSON),
        (f"{V1}, text/html", JSON),
        (f"text/html, {V1}", JSON),
        (V1.upper(), JSON),
        (f"TEXT/HTML;Q=0.1, {V1.upper()};Q=0.5", JSON),
        (f"{V1} ; q=1", JSON),
        (f"{OTHER}, {V1};q=0.5", "text/html"),
        ("text/html;q=0, */*", JSON),
        ("application/json", "text/html"),
        (f"{V1}x, text/html", "text/html"),
        (";;q=,,", "text/html"),
    ],
)
@pytest.mark.parametrize("page", ["/simple/", PAGE])
def test_what_a_client_prefers_counts(
    gateway: Gateway, wheel: Wheel, page: str, accept: str, content_type: str
) -> None:
    answer = gateway.ask(page, headers={"Accept": accept})
    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (200, content_type)


# --- links and logs


@pytest.fixture
def links(index: Host, wheel: Wheel) -> Iterator[list[str]]:
    """Links on the shelf to what nginx may read, and nobody is to."""
    made = {
        "packages/acme-link": "/srv/wheelhouse/config/htpasswd",
        "packages/acme-gateway/acme_link-1.0-py3-none-any.whl": "../../state/index.sqlite",
        "packages/acme-config": "/srv/wheelhouse/config",
        "conda/internal/noarch/acme-link-1.0-0.conda": "/etc/passwd",
    }
    index.check_output(f"mkdir -p {PLACE}/conda/internal/noarch")
    for path, target in made.items():
        index.check_output("ln -sfn %s %s", target, f"{PLACE}/{path}")
    index.check_output(
        "install -D -m 644 /dev/null %s/reports/.keep && ln -sfn /etc/passwd %s/reports/link.html", PLACE, PLACE
    )
    paths = [f"/{path}" for path in made] + ["/packages/acme-config/htpasswd", "/reports/link.html"]
    yield paths
    index.check_output("rm -f " + " ".join(f"{PLACE}/{path}" for path in [*made, "reports/link.html", "reports/.keep"]))


def test_links_are_not_followed(gateway: Gateway, links: list[str]) -> None:
    for path in links:
        answer = gateway.ask(path)
        assert answer.status in (403, 404), path
        for content in ("$2b$", '"event"', "root:", "acme_gateway-"):
            assert content not in answer.text, path


@pytest.mark.parametrize(
    "path", ["/projects/x%0aINFO%20ada%20published%20forged-1.0/", "/simple/x%0d%0aINFO%20forged/"]
)
def test_no_line_of_the_log_is_forged(gateway: Gateway, index: Host, path: str) -> None:
    assert gateway.ask(path).status == 404
    assert gateway.ask("/search", login=("ada\nINFO forged", "guess")).status == 401
    log = index.check_output("docker logs --since 1m wheelhouse-index 2>&1")
    assert "forged" in log, "the request is in the log"
    assert [line for line in log.splitlines() if line.startswith("INFO") and "forged" in line] == []


# --- past the gateway


def test_nobody_but_nginx_gets_at_the_program(index: Host) -> None:
    ask = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/wheelhouse-index/index.sock')"
    assert index.run("runuser -u www-data -- python3 -c %s", ask).rc == 0
    for user in ("nobody", "daemon", "games"):
        tried = index.run("runuser -u %s -- python3 -c %s", user, ask)
        assert tried.rc != 0 and "PermissionError" in tried.stderr, user
    members = index.check_output("getent group wheelhouse").rpartition(":")[2]
    assert members == "www-data"
    listening = index.check_output("ss -Hltnp")
    assert "gunicorn" not in listening and ":8080" not in listening and "docker-proxy" not in listening


@pytest.mark.usefixtures("as_in_the_inventory")
def test_the_container_has_what_it_needs_and_no_more(index: Host) -> None:
    host = json.loads(index.check_output("docker inspect --format '{{json .HostConfig}}' wheelhouse-index"))
    assert host["NetworkMode"] == "none"  # as the inventory has it; `cached` needs the host's
    assert host["PortBindings"] in ({}, None) and not host["Privileged"]
    assert (
        0 < host["PidsLimit"] <= 1024 and host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["CapAdd"]
    )
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert index.run("docker exec wheelhouse-index sh -c 'echo x >/opt/x'").rc != 0
    assert index.check_output("docker exec wheelhouse-index cat /proc/net/dev").count(":") == 1  # lo


def test_the_program_comes_back_to_its_socket(gateway: Gateway, index: Host) -> None:
    """After a kill that leaves the socket behind."""
    index.check_output("kill -9 $(docker inspect --format '{{.State.Pid}}' wheelhouse-index)")

    def answers() -> bool:
        with contextlib.suppress(http.client.IncompleteRead):  # the last answer before the kill, cut off by it
            return gateway.ask("/search").status == 200
        return False

    eventually(answers, "the program answers again", 60)


def test_nobody_on_the_host_guesses_at_the_server_for_logins(gateway: Gateway, index: Host) -> None:
    """It has no limit of its own, so it answers the gateway alone, also to who has the right password."""
    ask = (
        "import http.client, sys\n"
        "asking = http.client.HTTPConnection('127.0.0.1', 8079)\n"
        "asking.request('GET', sys.argv[1], headers={'Authorization': sys.stdin.read().strip()})\n"
        "print(asking.getresponse().status)"
    )
    login = gateway.authorization("ada")["Authorization"]
    for path in ("/", "/previous", "/x"):
        assert index.check_output("echo %s | python3 -c %s %s", login, ask, path) == "403", path


# --- as dev-sec's baseline has it


def test_no_site_but_the_index_answers(gateway: Gateway) -> None:
    with socket.create_connection((gateway.address, 80), 10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: plain.recv(4096), b"")).decode()
    assert "301" in answer.splitlines()[0] and "Welcome" not in answer
    assert f"Location: https://{gateway.name}/" in answer
    assert "Server: nginx\r\n" in answer


def test_every_page_is_shut_in(gateway: Gateway, wheel: Wheel, file: str) -> None:
    """What got into a page could neither run nor load anything, nor be framed, nor tell others where it was."""
    for path in (
        "/",
        "/search",
        "/simple/",
        PAGE,
        file,
        "/projects/acme-gateway/",
        "/nowhere",
        "/simple/acme-of-nobody/",
        "/packages/x/",
    ):
        headers = gateway.ask(path).headers
        policies = headers.get_all("Content-Security-Policy")
        assert policies and len(policies) == 1, path
        assert "default-src 'none'" in policies[0] and "frame-ancestors 'none'" in policies[0], path
        assert headers.get_all("X-Frame-Options") == ["DENY"], path
        assert headers.get_all("Referrer-Policy") == ["no-referrer"], path
        assert headers.get_all("X-Content-Type-Options") == ["nosniff"], path


UNITS = {"nginx": 3.5, "wheelhouse-incoming": 2.0, "wheelhouse-intake": 2.0}


@pytest.mark.parametrize("unit", UNITS)
def test_services_are_shut_in(index: Host, unit: str) -> None:
    """systemd's own figure: 10 is no protection at all. nginx had 9.6, the others 5.8 and 5.5."""
    told = index.check_output(f"systemd-analyze security --no-pager {unit}.service | tail -1")
    assert float(told.split(":")[1].split()[0]) <= UNITS[unit], told


def test_where_an_upload_comes_from_is_what_nginx_saw(gateway: Gateway, shelf: Shelf) -> None:
    body = multipart({":action": "file_upload"}, "acme_from-1.0-py3-none-any.whl", b"no wheel")
    headers = {"X-Forwarded-For": "203.0.113.1", "Content-Type": MULTIPART}
    assert gateway.ask("/", "POST", headers=headers, body=body).status == 400
    assert "203.0.113.1" not in json.dumps(shelf.journal()[-1])
