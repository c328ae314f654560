"""Restricted projects, asked for at every address there is: to whoever may not read them, they do not exist."""

import contextlib
import json
import re
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from memory import in_memory
from wheelhouse.index.provenance import Provenance

from . import nginx, slapd
from .conda_samples import CondaPackage
from .nginx import Answer, Gateway, Program, basic, hashed
from .samples import MULTIPART, Wheel, metadata, multipart
from .sites import SiteOfTests

pytestmark = pytest.mark.skipif(not nginx.IS_THERE, reason="nginx with its Lua module is not installed")

HERE, NOWHERE = "acme-secret-plans", "acme-secret-tales"
"""Two restricted names, of which the first is published."""
JSON = "application/vnd.pypi.simple.v1+json"
PAGES = {
    "the JSON": {"Accept": JSON},
    "the HTML": {"Accept": "text/html"},
    "weighed": {"Accept": f"text/html;q=0.5, {JSON};q=0.9"},
    "compressed": {"Accept": JSON, "Accept-Encoding": "gzip"},
    "conditional": {"Accept": JSON, "If-None-Match": '"x"', "If-Modified-Since": "Mon, 01 Jan 2024 00:00:00 GMT"},
}
FILES: dict[str, dict[str, str]] = {"whole": {}, "a part": {"Range": "bytes=0-9"}}
CALL = xmlrpc.client.dumps(({"name": ["{name}"], "summary": ["{name}"]}, "or"), "search")
AUDIT = '{"package": {"ecosystem": "PyPI", "name": "{name}"}, "version": "1.0"}'
AUDITS = f'{{"queries": [{AUDIT}]}}'

LOCATIONS: dict[str, list[tuple[str, str]]] = {
    # what each location of the gateway is asked for: a method with a path, and which headers there are
    r"~ /\.": [("/packages/{name}/.{file}", "")],
    "= /": [("/", "")],
    "= /_upload": [("/_upload", "")],
    r"~ ^/(search$|projects/|assets/|project/.|pypi/(?!.*/json$).)": [
        ("/search?q={name}", ""),
        ("/search?q=secret", ""),
        ("/search", ""),
        ("/search?q=of+the+board", ""),
        ("/search/../projects/{name}/", ""),
        ("/projects/{name}/", ""),
        ("/projects/{name}", ""),
        ("/projects/{spelt}/", ""),
        ("/projects/%61{rest}/", ""),
        ("//projects//{name}/", ""),
        ("/projects/acme-secret-plan/", ""),
        ("/project/{name}/1.0/", ""),
        ("/pypi/{name}/1.0/", ""),
        ("/pypi/{name}/json", ""),
    ],
    r"~ ^/(account|api)/tokens(/[a-z2-7]+(/revoke)?)?$": [("/account/tokens", ""), ("/api/tokens", "")],
    r"~ ^/_/oidc/(audience|mint-token|github/mint-token|burn-token)$": [("/_/oidc/audience", "")],
    "= /.well-known/pytp": [("/.well-known/pytp", "")],
    "= /RPC2": [("POST /RPC2", CALL)],
    "/osv/": [("POST /osv/v1/query", AUDIT), ("POST /osv/v1/querybatch", AUDITS), ("/osv/v1/vulns/{name}", "")],
    r"~ ^/integrity/[^/]+/[^/]+/[^/]+/provenance$": [
        ("/integrity/{name}/1.0/{file}/provenance", ""),
        ("HEAD /integrity/{name}/1.0/{file}/provenance", ""),
        ("/integrity/{spelt}/1.0/{file}/provenance", ""),
        ("//integrity//{name}/./1.0/{file}/provenance", ""),
        ("/integrity/%61{rest}/1.0/{file}/provenance", ""),
    ],
    "= /simple": [("/simple", "")],
    "= /packages": [("/packages", "")],
    "= /packages/": [("/packages/", "")],
    "= /simple/": [("/simple/", "pages"), ("/simple/?{name}", "pages")],
    "^~ /simple/": [("/simple/{name}/index.json", ""), ("/simple/{name}/index.json.gz", ""), ("/simple/{name}//x", "")],
    r"~ ^/simple/(?<project>[^/.][^/]*)/$": [
        ("/simple/{name}/", "pages"),
        ("HEAD /simple/{name}/", "pages"),
        ("/simple/{spelt}/", "pages"),
        ("/simple//{name}/", "pages"),
        ("/simple/./{name}/", "pages"),
        ("/packages/../simple/{name}/", "pages"),
        ("/simple/%61{rest}/", "pages"),
        ("/simple/{name}/?format=json", "pages"),
    ],
    r"~ ^/simple/[^/.][^/]*$": [("/simple/{name}", "pages")],
    "@not_on_the_shelf": [("/simple/{title}/", "pages")],
    "^~ /packages/": [
        ("/packages/{name}/{file}", "files"),
        ("HEAD /packages/{name}/{file}", "files"),
        ("/packages/{name}/{file}.metadata", "files"),
        ("/packages//{name}//{file}", "files"),
        ("/packages/x/../{name}/{file}", "files"),
        ("/packages/%61{rest}/{file}", "files"),
        ("/packages/{spelt}/{file}", "files"),
        ("/packages/{name}/", ""),
        ("/packages/{name}", ""),
        ("/simple/{name}/../../packages/{name}/{file}", "files"),
    ],
    r"~ ^/conda/[^/]+/[^/]+/repodata\.json(\.zst)?$": [
        ("/conda/internal/noarch/repodata.json", "pages"),
        ("/conda/internal/noarch/repodata.json.zst", ""),
    ],
    r"~ ^/conda/[^/]+/[^/]+/[^/]+\.(conda|tar\.bz2)$": [
        ("/conda/internal/noarch/{name}-1.0-0.conda", "files"),
        ("/conda//internal/./noarch/{name}-1.0-0.conda", "files"),
    ],
    r"~ ^/cached/[^/]+/[^/]+$": [("/cached/{name}/{file}", ""), ("/cached/{name}/{file}.metadata", "")],
    "@not_cached": [("HEAD /cached/{name}/{file}", "")],
    "/reports/": [("/reports/", ""), ("/reports/intake.json", "")],
    "= /health": [("/health", "")],
    r"~ ^/(?<named>[A-Za-z0-9][A-Za-z0-9._-]*)$": [("/{name}", ""), ("/{spelt}", "")],
    "/": [("/logs/{name}", ""), ("/state/{name}", ""), ("/publishers/bob", ""), ("/logins/check", "")],
}
ELSEWHERE = {
    "/": "the server for logins",
    "= /previous": "the server for logins",
    "= /previous/used": "the server for logins",
    r"~ /\.": "inside of /packages/ again",
    "@not_here": "a sentence",
    "@too_big": "a sentence",
    "@too_many": "a sentence",
    "@not_now": "a sentence",
    "@unhealthy": "a sentence",
    "@misplaced": "a refusal without a body",
    "@may_not_publish": "a refusal without a body",
    "@not_here_yet": "asked for files that this host has not, where a server keeps them: see test_fetching",
    "= /fleet/release": "what enrolled hosts pull",
    r"~ ^/fleet/files/[0-9a-f]+$": "what enrolled hosts pull",
    "= /fleet/heartbeat": "what enrolled hosts report",
}
"""Locations that show nothing of a project."""


def secret_wheel(name: str = HERE, version: str = "1.0") -> Wheel:
    described = metadata(name, version, "Summary: Secret talk of the board\n")
    return Wheel(name.replace("-", "_"), version, metadata=described)


def provenance_of(wheel: Wheel) -> Provenance:
    document = json.dumps({"attestation_bundles": [], "version": 1, "note": "talk of the board"})
    return Provenance(document, "https://packages.acme.example")


def rights(site: SiteOfTests, *lines: str) -> None:
    path = site.root / "config/read-rights"
    if lines:
        path.with_suffix(".new").write_text("".join(f"{line}\n" for line in lines))
        path.with_suffix(".new").rename(path)
    else:
        path.unlink()


RIGHTS = ("restricted acme-secret-*", "restricted plans", "reads ada acme-secret-*", "reads eve acme-secret-t*")


@pytest.fixture(scope="module")
def site() -> Iterator[SiteOfTests]:
    with tempfile.TemporaryDirectory(dir=in_memory()) as directory:
        root = Path(directory, "site")
        site = SiteOfTests(root)
        site.configure(publishes={"ada": ["acme-*"], "bob": ["acme-*"]})
        (root / "config/htpasswd").write_text("".join(f"{name}:{hashed()}\n" for name in ("ada", "bob", "eve")))
        rights(site, *RIGHTS)
        site.publish("acme_open-1.0-py3-none-any.whl", Wheel("acme_open").build(), "ada", "192.0.2.7")
        wheel = secret_wheel()
        site.publish(wheel.filename, wheel.build(), "ada", "192.0.2.7", provenance=provenance_of(wheel))
        site.admit_package(CondaPackage(), "internal")
        site.admit_package(CondaPackage(HERE), "internal")
        yield site


@pytest.fixture(scope="module")
def program(site: SiteOfTests) -> Iterator[Program]:
    with Program(site).running() as program:
        yield program


@pytest.fixture(scope="module")
def gateway(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(program.site, tmp_path_factory.mktemp("gateway") / "place").running() as gateway:
        yield gateway


@pytest.fixture(scope="module")
def open_gateway(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    place = tmp_path_factory.mktemp("open") / "place"
    with Gateway(program.site, place, index_gateway_anonymous_read=True).running() as gateway:
        yield gateway


@pytest.fixture(scope="module")
def fetching_gateway(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that asks the program for files that it does not find."""
    place = tmp_path_factory.mktemp("fetching") / "place"
    with Gateway(program.site, place, pypi_index_store={"bucket": "wheelhouse"}).running() as gateway:
        yield gateway


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    def wait(is_so: Callable[[], bool]) -> None:
        give_up = time.monotonic() + 120
        while not is_so():
            assert time.monotonic() < give_up
            time.sleep(0.1)

    return wait


def questions() -> Iterator[tuple[str, str, dict[str, str], str]]:
    """(method, path, headers, body), each for a name to be put into."""
    for asked in LOCATIONS.values():
        for line, more in asked:
            method, _, path = line.rpartition(" ")
            headers = {"pages": PAGES, "files": FILES}.get(more, {"": {}})
            for some in headers.values():
                yield method or "GET", path, some, more if more.startswith(("<", "{")) else ""


def filled(text: str, name: str) -> str:
    wheel = secret_wheel(name)
    spelt, title = name.replace("-", "_").upper(), name.title().replace("-", ".")
    values = {"name": name, "file": wheel.filename, "rest": name[1:], "spelt": spelt, "title": title}
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], text)


def ask(gateway: Gateway, question: tuple[str, str, dict[str, str], str], name: str, login: dict[str, str]) -> Answer:
    method, path, headers, body = question
    sent = filled(body, name).encode() if body else None
    more = {"Content-Type": "text/xml" if body.startswith("<") else "application/json"} if body else {}
    return gateway.ask(filled(path, name), {**headers, **login, **more}, method, sent)


def without_name(answer: Answer, name: str) -> tuple[int, dict[str, str], bytes]:
    """What can be learnt from an answer, whatever the name that was asked for."""

    def plain(text: str) -> str:
        for written in (name, name.replace("-", "_"), name.replace("-", ".")):
            text = re.sub(re.escape(written), "NAME", text, flags=re.IGNORECASE)
        return text

    passing = ("Date", "ETag", "Last-Modified", "Age", "Expires")
    headers = {key: plain(value) for key, value in answer.headers.items() if key not in passing}
    return answer.status, headers, plain(answer.body.decode("latin-1")).encode("latin-1")


def test_every_location_of_the_gateway_is_asked(gateway: Gateway, fetching_gateway: Gateway) -> None:
    """Whoever adds one says here how it is asked for a restricted project, and in the documentation what it does."""
    assert set(fetching_gateway.locations) == LOCATIONS.keys() | ELSEWHERE.keys()
    assert set(gateway.locations) == set(fetching_gateway.locations) - {"@not_here_yet"}


def assert_hidden(gateway: Gateway, login: dict[str, str]) -> None:
    for question in questions():
        here, nowhere = (ask(gateway, question, name, login) for name in (HERE, NOWHERE))
        assert without_name(here, HERE) == without_name(nowhere, NOWHERE), question
        assert b"talk of the board" not in here.body
        if "{" not in question[1] + question[3]:
            assert HERE.encode() not in here.body, question


def test_to_whoever_may_not_read_it_a_project_does_not_exist(gateway: Gateway) -> None:
    assert_hidden(gateway, basic("bob"))


def test_nor_where_the_gateway_has_files_fetched(fetching_gateway: Gateway) -> None:
    for login in (basic("bob"), {}):
        assert_hidden(fetching_gateway, login)
    path = filled("/packages/{name}/{file}", HERE)
    assert fetching_gateway.ask(path, basic("ada")).body == secret_wheel().build()


def test_nor_to_whoever_may_read_another_one(gateway: Gateway) -> None:
    for question in questions():
        assert b"talk of the board" not in ask(gateway, question, HERE, basic("eve")).body


def test_nor_without_a_login(gateway: Gateway, open_gateway: Gateway) -> None:
    assert_hidden(gateway, {})
    assert_hidden(open_gateway, {})


@pytest.mark.parametrize("who", ["bob", "ada", "nobody"])
def test_nor_with_a_wrong_one_where_everyone_reads(open_gateway: Gateway, who: str) -> None:
    for path in (f"/simple/{HERE}/", f"/packages/{HERE}/{secret_wheel().filename}"):
        told = open_gateway.ask(path, {"Accept": JSON})
        wrong = open_gateway.ask(path, {"Accept": JSON, **basic(who, "wrong")})
        assert (wrong.status, wrong.body) == (told.status, told.body) and wrong.status == 404


def test_nobody_can_say_that_they_are_somebody_else(gateway: Gateway, open_gateway: Gateway) -> None:
    """The gateway tells the program whose login it is, in a header that clients may send as well."""
    for one, login in ((gateway, basic("bob")), (open_gateway, {}), (open_gateway, basic("bob"))):
        answer = one.ask(f"/projects/{HERE}/", {**login, "X-Wheelhouse-Login": "ada"})
        assert answer.status == 404


SHOWN = [
    ("/simple/{name}/", {"Accept": JSON}, b'"filename"'),
    ("/simple/{name}/", {"Accept": "text/html"}, b".whl"),
    ("/packages/{name}/{file}", {}, b"PK"),
    ("/packages/{name}/{file}.metadata", {}, b"talk of the board"),
    ("/conda/internal/noarch/{name}-1.0-0.conda", {}, b"PK"),
    ("/projects/{name}/", {}, b"talk of the board"),
    ("/integrity/{name}/1.0/{file}/provenance", {}, b"talk of the board"),
    ("/search?q=board", {}, b"talk of the board"),
    ("/", {}, b"acme-secret-plans"),
]


@pytest.mark.parametrize(("path", "headers", "content"), SHOWN)
def test_whoever_may_read_it_has_all_of_it(
    gateway: Gateway, open_gateway: Gateway, path: str, headers: dict[str, str], content: bytes
) -> None:
    for one in (gateway, open_gateway):
        for _ in range(2):  # also with a login that is remembered
            answer = one.ask(filled(path, HERE), {**headers, **basic("ada")})
            assert answer.status == 200 and content in answer.body, answer


def test_the_way_to_it_is_the_same_as_to_any_project(gateway: Gateway) -> None:
    assert gateway.ask(f"/{HERE}", basic("ada")).headers["Location"] == f"/projects/{HERE}/"
    call = filled(CALL, HERE).encode()
    found = gateway.ask("/RPC2", {**basic("ada"), "Content-Type": "text/xml"}, "POST", call)
    assert b"talk of the board" in found.body
    assert gateway.ask("/simple/Acme_Secret.Plans/", basic("ada")).headers["Location"] == f"/simple/{HERE}/"


def test_what_everyone_is_given_has_no_restricted_names(gateway: Gateway) -> None:
    """Whoever asks, since it is one file for all."""
    for login in (basic("ada"), basic("bob")):
        listed = json.loads(gateway.ask("/simple/", {"Accept": JSON, **login}).body)
        assert [one["name"] for one in listed["projects"]] == ["acme-open"]
        channel = json.loads(gateway.ask("/conda/internal/noarch/repodata.json", login).body)
        assert [*channel["packages.conda"]] == ["acme-hello-1.0-0.conda"]


def upload(gateway: Gateway, wheel: Wheel, login: dict[str, str]) -> Answer:
    body = multipart({":action": "file_upload", "protocol_version": "1"}, wheel.filename, wheel.build())
    return gateway.ask("/", {"Content-Type": MULTIPART, **login}, "POST", body)


def test_publishing_takes_the_right_to_read(gateway: Gateway) -> None:
    refused = [upload(gateway, secret_wheel(name), basic("bob")) for name in (HERE, NOWHERE)]
    assert [answer.status for answer in refused] == [403, 403]
    assert b"bob may not publish acme-secret-plans, which is restricted; to change that, ask it@" in refused[0].body
    assert without_name(refused[0], HERE) == without_name(refused[1], NOWHERE)
    assert upload(gateway, secret_wheel(version="1.1"), basic("ada")).status == 200
    assert upload(gateway, Wheel("acme_open", "1.1"), basic("bob")).status == 200


def token(gateway: Gateway, who: str, name: str, **wanted: object) -> dict[str, str]:
    body = json.dumps({"name": name, "for": "1d", **wanted}).encode()
    answer = gateway.ask("/api/tokens", {"Content-Type": "application/json", **basic(who)}, "POST", body)
    assert answer.status == 201, answer
    return basic("__token__", json.loads(answer.body)["token"])


def test_a_token_reads_what_its_owner_reads(gateway: Gateway) -> None:
    mine, theirs = token(gateway, "ada", "laptop"), token(gateway, "bob", "laptop")
    only_publishes = token(gateway, "ada", "publish", reads=False, publishes=["acme-secret-*"])
    for path in (f"/simple/{HERE}/", f"/packages/{HERE}/{secret_wheel().filename}", f"/projects/{HERE}/"):
        statuses = [gateway.ask(path, {"Accept": JSON, **login}).status for login in (mine, theirs, only_publishes)]
        assert statuses == [200, 404, 403], path
    assert upload(gateway, secret_wheel(version="1.2"), only_publishes).status == 200


def test_rights_follow_the_file_within_seconds(
    gateway: Gateway, site: SiteOfTests, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    def status(who: str, path: str = f"/simple/{HERE}/") -> int:
        return gateway.ask(path, {"Accept": JSON, **basic(who)}).status

    def listed() -> bool:
        return HERE.encode() in gateway.ask("/simple/", {"Accept": JSON, **basic("bob")}).body

    with contextlib.ExitStack() as stack:
        stack.callback(rights, site, *RIGHTS)
        rights(site, "restricted acme-secret-*", "reads bob acme-*")
        eventually(lambda: (status("ada"), status("bob")) == (404, 200))
        eventually(lambda: (status("ada", f"/projects/{HERE}/"), status("bob", f"/projects/{HERE}/")) == (404, 200))
        rights(site)
        eventually(lambda: (status("ada"), status("bob")) == (200, 200))
        eventually(listed)
    eventually(lambda: (status("ada"), status("bob")) == (200, 404))
    eventually(lambda: not listed())


def test_rights_that_cannot_be_read_hide_everything(
    gateway: Gateway, site: SiteOfTests, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """A mistake on the host opens nothing."""
    path = site.root / "config/read-rights"
    path.unlink()
    path.mkdir()
    try:
        eventually(lambda: gateway.ask("/simple/acme-open/", {"Accept": JSON, **basic("ada")}).status == 404)
    finally:
        path.rmdir()
        rights(site, *RIGHTS)
    eventually(lambda: gateway.ask("/simple/acme-open/", {"Accept": JSON, **basic("bob")}).status == 200)
    assert gateway.ask(f"/simple/{HERE}/", {"Accept": JSON, **basic("bob")}).status == 404


@pytest.mark.long
@pytest.mark.skipif(not slapd.IS_THERE, reason="demo/programs installs slapd and python3-ldap")
def test_groups_of_the_directory_give_the_right(
    tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """To a login with the directory's password, and to tokens of its owner; and take it back."""
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=in_memory())))
        for name in ("slapd", "memory"):
            (root / name).mkdir()
        directory = stack.enter_context(slapd.running(root / "slapd"))
        site = SiteOfTests(root / "site")
        config = site.root / "config"
        rights(site, "restricted acme-secret-*")
        wheel = secret_wheel()
        site.publish(wheel.filename, wheel.build(), "ada", "192.0.2.7")
        (config / "ldap.password").write_text(slapd.BIND_PASSWORD)
        (config / "ldap-ca.pem").write_bytes((directory.root / "ca.pem").read_bytes())

        def connect(**group: object) -> None:
            groups = [{"name": "python-users"}, {"name": "python-authors", **group}]
            bases = {"user_base": f"ou=people,{slapd.BASE}", "group_base": f"ou=groups,{slapd.BASE}"}
            settings = {"url": directory.url, "bind_dn": slapd.BIND_DN, **bases, "groups": groups, "cache": 1}
            (config / "ldap.json").write_text(json.dumps(settings))

        connect(publishes=["acme-*"], reads=["acme-secret-*"])
        program = Program(site, {"WHEELHOUSE_MEMORY": str(root / "memory")})
        stack.enter_context(program.running())
        ldap = {"url": directory.url}
        gateway = stack.enter_context(Gateway(site, tmp_path / "place", pypi_index_ldap=ldap).running())
        ada, bob = (basic(name, slapd.PASSWORD) for name in ("ada", "bob"))
        made = gateway.ask(
            "/api/tokens",
            {"Content-Type": "application/json", **ada},
            "POST",
            json.dumps({"name": "laptop", "for": "1d"}).encode(),
        )
        assert made.status == 201, made
        token = basic("ada", json.loads(made.body)["token"])

        def statuses() -> list[int]:
            paths = (f"/simple/{HERE}/", f"/packages/{HERE}/{wheel.filename}", f"/projects/{HERE}/")
            return [gateway.ask(path, login).status for path in paths for login in (ada, token, bob)]

        assert statuses() == [200, 200, 404] * 3
        assert upload(gateway, secret_wheel(version="2.0"), ada).status == 200
        connect(publishes=["acme-*"])
        # the answers that the gateway has count for a minute
        eventually(lambda: statuses() == [404, 404, 404] * 3)
        assert upload(gateway, secret_wheel(version="3.0"), ada).status == 403
