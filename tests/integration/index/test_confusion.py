"""A name of the company's never comes from outside: whatever the policy, the client, or the number of the public release.

The public projects used here exist, and a client without the company's settings would install them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from company import Office, eventually
from gateway import JSON, Gateway
from index.samples import Wheel, metadata
from shelf import PLACE, Shelf

SHELVED, OWN = "sampleproject", "0.0.1"  # the public index has 4.0.0
RESERVED = "idna"
PUBLIC = "toolz"
INSTALLERS = {
    "pip": "venv-confusion/bin/pip install --no-cache-dir",
    "uv": "uv pip install --no-cache --python venv-confusion/bin/python",
}
# a client that has no way out but the index, which is all that `cached` asks for
WITHOUT_PROXY = "env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy"


@pytest.fixture(scope="module", autouse=True)
def environment(office: Office) -> None:
    office.succeed_as("leo", "rm -rf venv-confusion && python3 -m venv venv-confusion")


@pytest.fixture(scope="module", autouse=True)
def shelved(shelf: Shelf, gateway: Gateway, version: str) -> Iterator[str]:
    """IT has an own version of a public project, and a package of the company's needs it. Returns that one's name."""
    shelved = Wheel(SHELVED, OWN, {f"{SHELVED}/__init__.py": b"WHOSE = 'ours'\n"})
    needs = metadata("acme-confused", version, f"Requires-Dist: {SHELVED}\n")
    ours = Wheel("acme_confused", version, metadata=needs)
    shelf.put(f"packages/{SHELVED}/{shelved.filename}", shelved.build())
    shelf.host.check_output("chown -R wheelhouse: %s/packages/%s", PLACE, SHELVED)
    shelf.run("reindex", SHELVED)
    assert gateway.upload(ours.filename, ours.build()).status == 200
    yield "acme-confused"
    shelf.run("remove", SHELVED, OWN, "--reason", "the test is over")


# closed last, when the index has fetched public files before
@pytest.fixture(scope="module", params=["redirect", "cached", "closed"])
def policy(request: pytest.FixtureRequest, settings, shelved: str) -> str:
    settings.apply(
        pypi_index_upstream=request.param,
        pypi_index_reserved=["acme-*", RESERVED],
        # what this machine takes for the public index may be a mirror that knows no upload times
        pypi_index_minimum_age=0,
    )
    return request.param


def test_the_public_index_has_a_higher_version(office: Office) -> None:
    """Or else all this proves nothing. pip without any settings finds it."""
    found = office.succeed_as(
        "leo",
        f"PIP_CONFIG_FILE=/dev/null PIP_CERT=$SSL_CERT_FILE venv-confusion/bin/pip install -q --dry-run --no-deps --ignore-installed --report - {SHELVED} {RESERVED}",
    )
    versions = {item["metadata"]["name"]: item["metadata"]["version"] for item in json.loads(found)["install"]}
    assert versions[SHELVED] > OWN and RESERVED in versions


@pytest.mark.parametrize("installer", INSTALLERS)
def test_a_name_on_the_shelf_comes_from_there(office: Office, policy: str, shelved: str, installer: str) -> None:
    """Also where it is what another package needs."""
    office.succeed_as("leo", f"venv-confusion/bin/pip uninstall -q -y {shelved} {SHELVED}")
    office.succeed_as("leo", f"{INSTALLERS[installer]} {shelved} {SHELVED}")
    show = f"import {SHELVED}, importlib.metadata as m; print({SHELVED}.WHOSE, m.version('{SHELVED}'))"
    assert office.succeed_as("leo", f'venv-confusion/bin/python -c "{show}"').split() == ["ours", OWN]


@pytest.mark.parametrize("installer", INSTALLERS)
@pytest.mark.parametrize(
    "requirement",
    [
        f"{SHELVED}>{OWN}",
        pytest.param("SampleProject==4.0.0", marks=pytest.mark.long),
        RESERVED,
        pytest.param("IDNA>=3", marks=pytest.mark.long),
        "acme-nothing-of-this-name",
    ],
)
def test_what_the_company_does_not_have_is_not_found(
    office: Office, policy: str, installer: str, requirement: str
) -> None:
    result = office.run_as("leo", f"{INSTALLERS[installer]} --no-deps '{requirement}'")
    assert result.rc != 0, f"{requirement} was installed:\n{result.stdout}{result.stderr}"
    said = (result.stdout + result.stderr).lower()
    assert "no matching" in said or "no solution" in said or "not found" in said, said


@pytest.mark.parametrize("spelling", ["sampleproject", "SampleProject", "SAMPLEPROJECT"])
@pytest.mark.parametrize("accept", [JSON, "text/html"])
def test_the_page_of_a_shelved_name_has_our_files_alone(
    gateway: Gateway, policy: str, spelling: str, accept: str
) -> None:
    path = f"/simple/{spelling}/"
    for _ in range(3):
        answer = gateway.ask(path, headers={"Accept": accept})
        if answer.status != 301:
            break
        path = answer.headers["Location"]
    assert answer.status == 200
    assert f"{SHELVED}-{OWN}-" in answer.text and f"{SHELVED}-4" not in answer.text


@pytest.mark.parametrize("name", ["idna", "Idna", "IDNA", "acme-x", "Acme_X", "ACME.X", "acme--x", "acme_-.x"])
@pytest.mark.parametrize("accept", [JSON, "text/html", None])
def test_a_reserved_name_is_not_looked_for(gateway: Gateway, policy: str, name: str, accept: str | None) -> None:
    """In no spelling; nor is anybody sent elsewhere to look."""
    path = f"/simple/{name}/"
    for _ in range(3):
        answer = gateway.ask(path, headers={"Accept": accept} if accept else {})
        if answer.status not in (301, 302, 307, 308):
            break
        path = answer.headers["Location"].removeprefix(f"https://{gateway.name}")
        assert path.startswith("/simple/"), f"sent away to {path}"
    assert answer.status == 404


def test_what_is_not_let_in_is_answered_with_whom_to_ask(gateway: Gateway, policy: str) -> None:
    if policy != "closed":
        pytest.skip("it comes from outside")
    for accept in (JSON, "text/html", "*/*"):
        for method in ("GET", "HEAD"):
            answer = gateway.ask("/simple/six/", method, headers={"Accept": accept})
            assert answer.status == 404 and answer.reason.endswith("ask it@acme.example."), answer
            assert ("six is not on" in answer.text) == (method == "GET")


@pytest.mark.parametrize("installer", INSTALLERS)
def test_other_public_projects_come_as_the_policy_says(office: Office, policy: str, installer: str) -> None:
    route = WITHOUT_PROXY if policy == "cached" else ""

    def installs() -> bool:
        office.succeed_as("leo", f"venv-confusion/bin/pip uninstall -q -y {PUBLIC}")
        return office.run_as("leo", f"{route} {INSTALLERS[installer]} {PUBLIC}").rc == 0

    if policy == "closed":  # nginx may remember the page of `cached` for a minute
        eventually(lambda: not installs(), f"{PUBLIC} is not found", 75)
    else:
        assert installs()
