"""What the intake has refused is had by no other way: not from upstream by a redirect, not through the cache."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from wheelhouse.config import Config
from wheelhouse.index import denied_releases
from wheelhouse.index.transaction import Index
from wheelhouse.store.downloads import Cache
from wheelhouse.web.upstream_routes import UpstreamRoutes

from .intake import Office
from .public import JSON, public_wheel
from .samples import Client

BAD, GOOD = "parser-0.4.3-py3-none-any.whl", "parser-0.5-py3-none-any.whl"


@pytest.fixture
def refused(office: Office) -> Office:
    """A list with a release that is kept back, and another one of the same project upstream."""
    office.publish("parser", "0.4.3", says={"yanked": "it eats files"})
    office.publish("parser", "0.5")
    office.publish("alpha")
    office.wants("parser==0.4.3", "alpha")
    assert office.run() == 1
    assert office.status("parser==0.4.3") == "blocked"
    return office


def offered(client: Client, project: str = "parser") -> dict[str, str]:
    answer = client.send("GET", f"/simple/{project}/", HTTP_ACCEPT=JSON)
    assert answer.status == 200, answer.text
    return {file["filename"]: file["url"] for file in json.loads(answer.text)["files"]}


def test_with_a_redirect(refused: Office, client: Client, configure: Callable[..., None]) -> None:
    configure(upstream="redirect", minimum_age=100_000)
    files = offered(client)
    assert list(files) == [GOOD]
    assert files[GOOD].startswith(refused.public.origin), "from where clients get all else"
    refused.publish("other")
    assert client.send("GET", "/simple/other/").status == 302, "where nothing was refused"


def test_with_a_redirect_and_no_way_out(refused: Office, client: Client, configure: Callable[..., None]) -> None:
    configure(upstream="redirect")
    refused.public.stop()
    answer = client.send("GET", "/simple/parser/")
    assert answer.status == 404
    assert "the intake refused 0.4.3: " in answer.text and "it eats files" in answer.text
    assert "ask it@acme.example" in answer.text


@pytest.mark.parametrize("accept", [JSON, "text/html"])
def test_through_the_cache(refused: Office, client: Client, configure: Callable[..., None], accept: str) -> None:
    configure(upstream="cached")
    page = client.send("GET", "/simple/parser/", HTTP_ACCEPT=accept).text
    assert GOOD in page and BAD not in page
    for name in (BAD, f"{BAD}.metadata"):
        answer = client.send("GET", f"/cached/parser/{name}")
        assert answer.status == 404 and "was refused by the intake: " in answer.text
    assert client.send("GET", f"/cached/parser/{GOOD}").status == 200


@pytest.mark.parametrize("version", ["0.4.3.0", "0.4.3"])
def test_however_the_version_is_written_and_packed(
    refused: Office, client: Client, configure: Callable[..., None], version: str
) -> None:
    configure(upstream="cached")
    refused.public.projects["parser"].append(public_wheel("parser", version))
    sdist = public_wheel("parser", version)
    sdist.name = f"parser-{version}.tar.gz"
    egg = public_wheel("parser", version)
    egg.name = f"parser-{version}-py3.11.egg"
    refused.public.projects["parser"] += [sdist, egg]
    assert list(offered(client)) == [GOOD]
    assert client.send("GET", f"/cached/parser/{sdist.name}").status == 404


def test_what_was_cached_before_leaves_the_cache(
    office: Office, client: Client, configure: Callable[..., None], cache: Path
) -> None:
    configure(upstream="cached")
    office.publish("parser", "0.4.3", says={"yanked": "it eats files"})
    office.publish("parser", "0.5")
    for name in (BAD, f"{BAD}.metadata", GOOD):
        assert client.send("GET", f"/cached/parser/{name}").status == 200
    office.wants("parser==0.4.3")
    assert office.run() == 1
    client.send("GET", "/simple/anything/")
    assert [path.name for path in cache.glob("cached/*/*")] == [GOOD]


@pytest.mark.parametrize("change", ["refused", "denied"])
def test_also_while_nobody_asks(
    office: Office,
    client: Client,
    configure: Callable[..., None],
    cache: Path,
    config: Path,
    index: Index,
    change: str,
) -> None:
    configure(upstream="cached")
    office.publish("parser", "0.4.3", says={"yanked": "it eats files"})
    assert client.send("GET", f"/cached/parser/{BAD}").status == 200
    kept = cache / "cached/parser" / BAD
    looking = UpstreamRoutes(Config(config), index, Cache(cache))
    looking.look_again()
    assert kept.exists()
    if change == "denied":
        configure(denied=["parser"])
    else:
        office.wants("parser==0.4.3")
        office.run()
    looking.look_again()
    assert not kept.exists()


def test_it_stays_so_when_the_line_goes_and_until_an_exception(
    refused: Office, client: Client, configure: Callable[..., None]
) -> None:
    configure(upstream="cached")
    refused.wants("alpha")
    assert refused.run() == 0
    assert list(offered(client)) == [GOOD]
    granted = {"package": "parser==0.4.3", "advisory": "yanked", "reason": "we need it", "until": "2099-01-01"}
    refused.wants("alpha", exceptions=[granted])
    assert refused.run() == 0
    assert list(offered(client)) == [BAD, GOOD]


def test_and_until_nothing_is_held_against_it(
    refused: Office, client: Client, configure: Callable[..., None], index: Index
) -> None:
    configure(upstream="cached")
    refused.public.projects["parser"][0].says.clear()
    assert refused.run() == 0
    assert denied_releases.load(index.database) == {}
    assert BAD in json.loads((refused.shelf / "simple/parser/index.json").read_text())["files"][0]["filename"]


def test_youth_is_held_against_nothing_that_no_line_wants(office: Office, index: Index) -> None:
    office.publish("parser", "0.4.3")
    office.wants("parser==0.4.3", minimum_age=100_000)
    assert office.run() == 1
    office.wants()
    office.run()
    assert denied_releases.load(index.database) == {}


def test_the_report_says_so_and_it_has_not_moved(refused: Office) -> None:
    report = refused.report()
    assert list(report["refused"]) == ["parser==0.4.3"] and "it eats files" in report["refused"]["parser==0.4.3"]
    assert {move["project"] for move in report["moved"]["moves"]} == {"alpha"}
    page = (refused.shelf / "reports/index.html").read_text()
    assert 'id="refused"' in page
    refused.public.projects["parser"][0].says.clear()
    assert refused.run() == 0
    (move,) = refused.report()["moved"]["moves"]
    assert (move["project"], move["before"], move["after"]) == ("parser", [], ["0.4.3"]), "now that it is on the shelf"
    assert refused.report()["refused"] == {}
