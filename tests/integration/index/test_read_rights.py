"""A restricted project on real hosts: there for whoever may read it, and for nobody else, with the tools that people use.

tests/unit/index/test_restricted.py asks every address.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from company import Office, eventually
from gateway import JSON, Gateway
from index.samples import Wheel
from testinfra.host import Host

pytestmark = pytest.mark.long

PROJECT = "acme-secret-plans"
PEOPLE = (
    "{{ [wheelhouse_people | wheelhouse.onboarding.people_today"
    " | community.general.keep_keys(target=['name', 'state', 'until', 'index_password', 'publishes', 'reads']),"
    " [{'name': 'ada', 'reads': ['acme-secret-*']}]] | community.general.lists_mergeby('name') }}"
)
INSTALL = {
    "pip": "venv-secret/bin/pip download --no-deps --no-cache-dir --dest venv-secret",
    "uv": "uv pip install --no-cache --reinstall --python venv-secret/bin/python",
}


@pytest.fixture(scope="module")
def published(settings: Any, gateway: Gateway, office: Office, version: str) -> Iterator[Wheel]:
    settings.apply(pypi_index_restricted=["acme-secret-*"], pypi_index_people=PEOPLE)
    wheel = Wheel("acme_secret_plans", version, {"acme_secret_plans/__init__.py": b""})
    eventually(lambda: gateway.upload(wheel.filename, wheel.build()).status == 200, "ada publishes")
    for name in ("ada", "leo"):
        office.succeed_as(name, "rm -rf venv-secret && python3 -m venv venv-secret")
    yield wheel
    settings.apply()


def test_who_may_not_read_it_finds_nothing(published: Wheel, gateway: Gateway, version: str) -> None:
    for path in (f"/simple/{PROJECT}/", f"/packages/{PROJECT}/{published.filename}", f"/projects/{PROJECT}/"):
        assert gateway.ask(path, headers={"Accept": JSON}).status == 200
        assert gateway.ask(path, login="leo", headers={"Accept": JSON}).status == 404
    assert PROJECT not in gateway.ask("/simple/", headers={"Accept": JSON}).text
    refused = gateway.upload(published.filename, published.build(), "leo")
    assert refused.status == 403


@pytest.mark.parametrize("tool", INSTALL)
def test_the_tools_say_what_they_say_of_any_missing_name(published: Wheel, office: Office, tool: str) -> None:
    office.succeed_as("ada", f"{INSTALL[tool]} {PROJECT}")
    run = office.run_as("leo", f"{INSTALL[tool]} {PROJECT}")
    said = " ".join((run.stdout + run.stderr).split())
    assert run.rc != 0 and ("No matching distribution found" in said or "was not found in the package registry" in said)


def test_the_file_of_rights_is_for_the_index_and_nginx(published: Wheel, index: Host) -> None:
    file = index.file("/srv/wheelhouse/config/read-rights")
    assert (file.user, file.group, file.mode) == ("root", "wheelhouse", 0o640)
    assert file.content_string == "restricted acme-secret-*\nreads ada acme-secret-*\n"


def test_what_is_not_restricted_any_more_is_there_for_all(
    published: Wheel, settings: Any, gateway: Gateway, index: Host
) -> None:
    """Last of these."""
    settings.apply()
    assert not index.file("/srv/wheelhouse/config/read-rights").exists
    eventually(lambda: gateway.ask(f"/simple/{PROJECT}/", login="leo").status == 200, "leo reads it")
    eventually(lambda: PROJECT in gateway.ask("/simple/", login="leo", headers={"Accept": JSON}).text, "it is listed")
