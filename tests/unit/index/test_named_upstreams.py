"""Several indexes upstream, each with projects of its own: no name comes from two, no account gets to another one."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from wheelhouse.config import ConfigError, load

from .intake import Office, public_release
from .mirror import kept
from .public import JSON, PublicIndex, certificates, public_wheel, stopping
from .samples import Client, basic

USER, PASSWORD = "acme", "S3ntinel of the partner"


@pytest.fixture
def partner(tmp_path: Path, config: Path) -> Iterator[PublicIndex]:
    """An index that takes an account, and whose certificate is the company's."""
    ca, certificate = certificates(tmp_path)
    (config / "ca.pem").write_bytes(ca.read_bytes())
    with stopping(PublicIndex(certificate)) as index:
        index.wants = basic(USER, PASSWORD)
        yield index


@pytest.fixture
def named(config: Path, partner: PublicIndex) -> Callable[..., None]:
    """Say what comes from the partner."""

    def write(*projects: str, **changes: object) -> None:
        entry = {"url": partner.url, "projects": projects, "username": USER, "password": PASSWORD, **changes}
        (config / "upstreams.json").write_text(json.dumps([entry]))

    write("torch", "partner-*")
    return write


@pytest.fixture
def cached(named: Callable[..., None], client: Client, public: PublicIndex, configure: Callable[..., None]) -> Client:
    configure(upstream="cached", upstream_url=public.url)
    return client


def asked(index: PublicIndex, project: str) -> list[str]:
    return [path for path in index.asked if f"/{project}/" in path]


def names(client: Client, project: str) -> list[str]:
    answer = client.send("GET", f"/simple/{project}/", HTTP_ACCEPT=JSON)
    return [file["filename"] for file in json.loads(answer.text)["files"]] if answer.status == 200 else []


def test_each_name_comes_from_its_index_alone(cached: Client, public: PublicIndex, partner: PublicIndex) -> None:
    for project in ("torch", "partner_tools", "requests"):
        public.projects[project.replace("_", "-")] = [public_wheel(project, "9.0")]
    partner.projects["torch"] = [public_wheel("torch", "2.0")]
    partner.projects["requests"] = [public_wheel("requests", "99.0")]
    assert names(cached, "torch") == ["torch-2.0-py3-none-any.whl"]
    assert names(cached, "requests") == ["requests-9.0-py3-none-any.whl"]
    assert names(cached, "partner-tools") == [], "what it does not have is nowhere"
    assert not asked(public, "torch") + asked(public, "partner-tools") + asked(partner, "requests")


def test_its_files_come_with_the_account(cached: Client, partner: PublicIndex, public: PublicIndex, root: Path) -> None:
    wheel = public_wheel("torch", "2.0")
    partner.projects["torch"] = [wheel]
    assert names(cached, "torch")
    for name in (wheel.name, f"{wheel.name}.metadata"):
        answer = cached.send("GET", f"/cached/torch/{name}")
        assert answer.status == 200, answer
    assert set(partner.given) == {basic(USER, PASSWORD)}
    assert cached.send("GET", "/simple/requests/").status == 200 and set(public.given) == {None}


def test_the_account_goes_nowhere_else(
    cached: Client, partner: PublicIndex, public: PublicIndex, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither to where it is redirected, nor into a log, a sentence or a page."""
    caplog.set_level(logging.DEBUG)
    second = stopping(PublicIndex(tmp_path / "server.pem"))
    with second as other:
        other.projects["torch"] = [public_wheel("torch", "2.0")]
        partner.moved_to = other.url
        answers = [cached.send("GET", "/simple/torch/", HTTP_ACCEPT=JSON)]
        assert answers[0].status == 200 and set(other.given) == {None}
        answers.append(cached.send("GET", "/cached/torch/torch-2.0-py3-none-any.whl"))
        assert answers[1].status == 200 and set(other.given) == {None}
    partner.moved_to = None
    partner.wants = "another"
    answers += [cached.send("GET", "/simple/partner-x/"), cached.send("GET", "/simple/partner-y/", HTTP_ACCEPT=JSON)]
    partner.stop()
    answers += [
        cached.send("GET", "/simple/partner-z/"),
        cached.send("GET", "/"),
        cached.send("GET", "/search?q=torch"),
    ]
    assert [answer.status for answer in answers[2:5]] == [503] * 3
    said = caplog.text + "".join(f"{answer.content!r}{answer.reason}{answer.headers}" for answer in answers)
    assert PASSWORD not in said and basic(USER, PASSWORD).split()[1] not in said


def test_clients_are_sent_to_it_where_it_takes_no_account(
    named: Callable[..., None],
    client: Client,
    configure: Callable[..., None],
    partner: PublicIndex,
    public: PublicIndex,
) -> None:
    configure(upstream="redirect", upstream_url=public.url)
    answer = client.send("GET", "/simple/torch/")
    assert (answer.status, "to have it let in, ask it@acme.example" in answer.text) == (404, True)
    assert client.send("GET", "/simple/requests/").headers["Location"] == f"{public.url}requests/"
    named("torch", username="", password="")
    assert client.send("GET", "/simple/torch/").headers["Location"] == f"{partner.url}torch/"
    configure(upstream="closed")
    assert client.send("GET", "/simple/torch/").status == 404


def test_what_came_from_an_index_goes_with_it(
    cached: Client, named: Callable[..., None], partner: PublicIndex, public: PublicIndex, cache: Path
) -> None:
    """Also where the program was restarted meanwhile, which is another client here."""
    named("partner-*")
    public.projects["torch"] = [public_wheel("torch", "1.0")]
    partner.projects["torch"] = [public_wheel("torch", "2.0")]
    for name in ("torch", "requests"):
        version = names(cached, name)[0]
        assert cached.send("GET", f"/cached/{name}/{version}").status == 200
    named("torch")
    assert names(cached, "torch") == ["torch-2.0-py3-none-any.whl"]
    assert "requests" in str(kept(cache)) and "torch" not in str(kept(cache))
    assert cached.send("GET", "/cached/torch/torch-1.0-py3-none-any.whl").status == 404


def test_the_intake_asks_each_index_for_its_own(
    office: Office, partner: PublicIndex, config: Path, named: Callable[..., None]
) -> None:
    (office.directory / "ca.pem").write_bytes((config / "ca.pem").read_bytes())
    office.publish("alpha", needs=["torch"])
    office.publish("torch", "9.0")
    partner.projects["torch"] = [public_release("torch", "2.0")]
    partner.projects["alpha"] = [public_release("alpha", "9.0")]
    office.wants("alpha")
    assert office.run() == 0
    assert office.shelved() == {"alpha-1.0-py3-none-any.whl", "torch-2.0-py3-none-any.whl"}
    assert not asked(office.public, "torch") + asked(partner, "alpha")
    assert set(partner.given) == {basic(USER, PASSWORD)} and set(office.public.given) == {None}


WRONG = [
    (
        [{"url": "https://a.example/", "projects": ["a-*"]}, {"url": "https://b.example/", "projects": ["*-b"]}],
        "two indexes",
    ),
    ([{"url": "https://a:S3ntinel@a.example/", "projects": ["a"]}], "an address that is none"),
    ([{"url": "http://a.example/", "projects": ["a"], "username": "x", "password": "S3ntinel"}], "not encrypted"),
    ([{"url": "https://a.example/", "projects": ["a"], "token": "S3ntinel"}], "unknown field"),
    ({"url": "S3ntinel"}, "cannot be used"),
]


@pytest.mark.parametrize(("content", "sentence"), WRONG)
def test_a_file_that_cannot_be_used_is_refused_without_its_secrets(
    config: Path, content: object, sentence: str
) -> None:
    (config / "upstreams.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=sentence) as raised:
        load(config)
    assert "S3ntinel" not in str(raised.value)


def test_nothing_shows_the_password(config: Path, named: Callable[..., None]) -> None:
    settings = load(config)
    assert PASSWORD not in repr(settings) + repr(settings.to_upstream(settings.network))
