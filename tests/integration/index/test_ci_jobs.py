"""The CI jobs of examples/ci that have an account.

Each publishes the one project that its account may publish, and the account may publish nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from ci_jobs import github, gitlab, run, runner_image
from company import Office
from gateway import Gateway
from index.samples import Wheel
from testinfra.host import Host

pytestmark = pytest.mark.usefixtures("as_in_the_inventory")

SYSTEMS = {
    "gitlab": lambda: gitlab("examples/ci/gitlab-ci.yml"),
    "github": lambda: github("examples/ci/github-actions.yml", "INDEX_PASSWORD", "INDEX_TOKEN"),
}


@pytest.fixture(scope="module")
def runner(index: Host) -> Iterator[str]:
    with runner_image(index) as image:
        yield image


@pytest.fixture(scope="module", params=SYSTEMS)
def published(
    request: pytest.FixtureRequest, index: Host, office: Office, runner: str, version: str
) -> tuple[str, str]:
    """The release that a system's job has published, and what the job printed."""
    system = request.param
    release = f"{version}.{list(SYSTEMS).index(system)}"
    variables, script = SYSTEMS[system]()
    (account,) = office.access["jobs"]
    assert variables["INDEX_USERNAME"] == account["name"]
    create = f"wheelhouse token create {account['name']} 'reads {release}' --for 1h"
    reading = index.check_output(f"docker exec wheelhouse-index {create}").strip()
    secrets = {"INDEX_PASSWORD": account["index_password"], "INDEX_TOKEN": reading}
    done = run(index, runner, {**variables, **secrets}, script, release)
    assert done.rc == 0, done.stdout + done.stderr
    return release, done.stdout + done.stderr


def test_the_release_is_on_the_index(published: tuple[str, str], gateway: Gateway) -> None:
    release, _ = published
    assert release in gateway.page("acme-hello")["versions"]


def test_the_job_prints_no_password(published: tuple[str, str], office: Office) -> None:
    _, printed = published
    assert office.access["jobs"][0]["index_password"] not in printed and "whl_" not in printed
    assert re.search("(?i)uploading|published", printed), "it did print"


def test_the_account_publishes_nothing_else(office: Office, gateway: Gateway, version: str) -> None:
    (account,) = office.access["jobs"]
    wheel = Wheel("acme_gateway", f"{version}.9")
    refused = gateway.upload(wheel.filename, wheel.build(), login=(account["name"], account["index_password"]))
    assert refused.status == 403
    assert "acme-hello" in refused.text
