"""The page of a project: what it says of itself, who published and may publish it, and how it is installed."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.index.events import PUBLISH, YANK, Event
from wheelhouse.index.transaction import Index
from wheelhouse.store.base import blob
from wheelhouse.web import html, project_page
from wheelhouse.web.app import application

from .journal import write
from .samples import Client, Wheel, metadata, sdist
from .test_description import EVIL
from .test_front import Page, shown

FIELDS = (
    "Summary: Tools for every day\nRequires-Python: >=3.9\nLicense-Expression: MIT\nAuthor: Zoë\n"
    "Project-URL: Documentation, https://docs.acme.example/\nHome-page: https://tools.acme.example/\n"
    "Requires-Dist: acme-more (>=2)\nRequires-Dist: numpy ; extra == 'fast'\n"
    "Description-Content-Type: text/markdown\n"
)
README = "# Tools\n\nWhat **everybody** needs. See [there](https://docs.acme.example/x).\n"


def described(version: str = "1.0", readme: str = README, fields: str = FIELDS, name: str = "acme-tools") -> bytes:
    return metadata(name, version, fields) + b"\n" + readme.encode()


def uploaded(client: Client, version: str = "1.0", readme: str = README) -> Page:
    wheel = Wheel(version=version, metadata=described(version, readme))
    assert client.upload(wheel.filename, wheel.build()).status == 200
    return shown(client, "/projects/acme-tools/")


def test_what_it_says_of_itself(client: Client) -> None:
    page = uploaded(client)
    assert "Tools What everybody needs. See there ." in page.text
    assert "strong" in [tag for tag, _ in page.tags]
    assert {"https://docs.acme.example/", "https://tools.acme.example/", "https://docs.acme.example/x"} <= {*page.links}
    assert "Licence MIT Python >=3.9 Author Zoë" in page.text
    assert re.search(r"Requirements acme-more >=2 With acme-tools\[fast\] numpy", page.text)
    assert {"/projects/acme-more/", "/projects/numpy/"} <= {*page.links}


def test_the_latest_speaks_for_it(client: Client) -> None:
    uploaded(client, "1.0", "# First\n")
    assert "Second" in uploaded(client, "1.1", "# Second\n").text
    page = uploaded(client, "2.0rc1", "# Candidate\n")
    assert "Second" in page.text and "Candidate" not in page.text
    assert cli.main(["yank", "acme-tools", "1.1", "--reason", "it leaks"]) == 0
    assert "First" in shown(client, "/projects/acme-tools/").text


def test_a_source_distribution_speaks_for_itself(client: Client) -> None:
    assert client.upload("acme_tools-1.0.tar.gz", sdist(pkg_info=described())).status == 200
    page = shown(client, "/projects/acme-tools/")
    assert "What everybody needs." in page.text and "Licence MIT" in page.text


def test_without_a_readme_there_is_a_page_all_the_same(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    assert client.upload(Wheel().filename, Wheel().build()).status == 200
    page = shown(client, "/projects/acme-tools/")
    assert "Description" not in page.text and "Releases" in page.text
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


def test_a_readme_is_no_part_of_the_page(client: Client) -> None:
    """Nothing in it runs, loads or has a name of the page's; the page stays one that can be used by ear."""
    before = len(uploaded(client, "1.0", "").all("script", "svg"))
    answer = client.send("GET", "/projects/acme-tools/")
    page = uploaded(client, "1.1", EVIL)
    assert len(page.all("script", "svg")) == before
    assert not page.all("img", "iframe", "object", "style", "source")
    assert len(page.all("form")) == len(page.all("input")) == 1
    assert not [name for _, attributes in page.tags for name in attributes if name == "style" or name.startswith("on")]
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names)) and names.count("content") == 1
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1 and all(after - before <= 1 for before, after in pairwise(levels))
    assert client.send("GET", "/projects/acme-tools/").headers == {
        **answer.headers,
        "Content-Length": client.send("GET", "/projects/acme-tools/").headers["Content-Length"],
    }


def test_it_is_rendered_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    describe = project_page.reading.describe
    monkeypatch.setattr(project_page.reading, "describe", lambda path, name: asked.append(name) or describe(path, name))
    uploaded(client)
    assert "everybody" in shown(client, "/projects/acme-tools/").text
    assert asked == [f"{Wheel().filename}.metadata"]


def test_bytes_that_are_lost_cost_the_readme_alone(client: Client, index: Index) -> None:
    wheel = Wheel(metadata=described())
    assert client.upload(wheel.filename, wheel.build()).status == 200
    with index.database.read() as connection:
        file = project_page.queries.file(connection, "acme-tools", wheel.filename)
    assert file and file.metadata_sha256
    index.store.delete(blob(file.metadata_sha256))
    page = shown(Client(application()), "/projects/acme-tools/")
    assert "everybody" not in page.text and wheel.filename in page.text


def test_who_may_publish_it(client: Client, configure: Callable[..., None]) -> None:
    page = uploaded(client)
    assert "Who may publish it ada" in page.text and "bob" not in page.text
    many = {f"p{number:02}": ["acme-*"] for number in range(15)}
    configure(publishes={**many, "zoe": ["other-*"]})
    page = shown(client, "/projects/acme-tools/")
    assert "Who may publish it p00, p01," in page.text and "p11 and 3 more" in page.text and "zoe" not in page.text
    configure(publishes={})
    assert "Nobody by an upload; to change that, ask it@acme.example." in shown(client, "/projects/acme-tools/").text


def test_where_it_came_from(client: Client, index: Index, root: Path, no_waiting: None) -> None:
    assert re.search(r"Published by ada, \d+ \w+ 20\d\d , sent from 192\.0\.2\.7", uploaded(client).text)
    (root / "drop/acme_more-1.0.tar.gz").write_bytes(sdist("acme_more"))
    assert cli.main(["reindex", "--by", "carol"]) == 0
    assert re.search(r"Published by carol, .{,12} , copied in ", shown(client, "/projects/acme-more/").text)
    told = {"project": "six", "version": "1.0", "file": "six-1.0.tar.gz", "size": 7, "sha256": "a" * 64}
    write(index, Event(PUBLISH, "intake", "2026-03-07T09:30:00Z", "intake", findings=("odd <name>",), **told))
    page = shown(client, "/projects/six/")
    assert "Published by intake, 7 Mar 2026 , from outside" in page.text
    assert "noted odd <name>" in page.text and f"sha256 {'a' * 64}" in page.text
    assert "Checks It was let in by the intake." in page.text
    (root / "reports").mkdir(exist_ok=True)
    assert "What they found is in the report ." in shown(client, "/projects/six/").text


def test_commands_have_the_address_of_the_index(client: Client) -> None:
    answer = uploaded(client)
    index = "https://packages.acme.example/simple/"
    for command in (
        f"pip install --index-url {index} acme-tools",
        f"uv add --default-index {index} acme-tools",
        f"poetry source add --priority=primary company {index} poetry add --source company acme-tools",
        f"dependencies: - pip - pip: - --index-url {index} - acme-tools",
        f"pip download --no-deps --index-url {index} acme-tools",
    ):
        assert command in answer.text
    assert len([block for block in answer.all("div") if block.get("data-copy")]) == 7
    assert len({block["data-copy"] for block in answer.all("div") if "data-copy" in block}) == 7


def test_a_latest_release_behind_very_many_candidates(client: Client, index: Index) -> None:
    told = {"project": "acme-x", "size": 1, "sha256": "0" * 64}

    def event(version: str, what: str = PUBLISH) -> Event:
        return Event(what, "ada", "2026-03-07T09:30:00Z", version=version, file=f"acme_x-{version}.tar.gz", **told)

    write(index, event("1.0"), *(event(f"2.0rc{number}") for number in range(1, html.MAX_RELEASES + 3)))
    page = shown(client, "/projects/acme-x/")
    assert "acme-x 1.0" in page.text and "pip install acme-x" in page.text and "And 3 older ones" in page.text
    write(index, event("1.0", YANK))
    assert "pip install --pre acme-x" in shown(client, "/projects/acme-x/").text
