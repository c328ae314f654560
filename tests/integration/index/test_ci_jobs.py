"""The CI jobs of examples/ci, each run as its system would: in a fresh container, with the variables and the lines that are in the file.

Each publishes the one project that its account may publish, and the account may publish nothing else.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
import yaml
from company import ROOT, STATE, Office
from gateway import Gateway
from index.samples import Wheel
from testinfra.host import Host

pytestmark = pytest.mark.usefixtures("as_in_the_inventory")

IMAGE = "wheelhouse-test-ci"
FOLDER = "/root/publishing-job"


def gitlab() -> tuple[dict[str, str], str]:
    """The job's variables, and its lines as one script."""
    job = yaml.safe_load((ROOT / "examples/ci/gitlab-ci.yml").read_text())["publish"]
    # a variable of type file holds the name of one
    setting_up = 'printf %s "$COMPANY_CA_TEXT" >/tmp/ca && export COMPANY_CA=/tmp/ca'
    return job["variables"], "\n".join([setting_up, *job["before_script"], *job["script"]])


def github() -> tuple[dict[str, str], str]:
    """The same; each step is a shell of its own, and the only one with its secret."""
    job = yaml.safe_load((ROOT / "examples/ci/github-actions.yml").read_text())["jobs"]["publish"]
    trust, login, publish = (step for step in job["steps"] if "run" in step)
    assert trust["env"] == {"COMPANY_CA": "${{ vars.COMPANY_CA }}"}
    assert login["env"] == {"INDEX_PASSWORD": "${{ secrets.INDEX_PASSWORD }}"}
    assert "env" not in publish
    lines = [
        f'COMPANY_CA="$COMPANY_CA_TEXT" sh -e -c {shlex.quote(trust["run"])}',
        f"sh -e -c {shlex.quote(login['run'])}",
        "unset INDEX_PASSWORD",
        f"sh -e -c {shlex.quote(publish['run'])}",
    ]
    return job["env"], "\n".join(lines)


SYSTEMS = {"gitlab": gitlab, "github": github}


@pytest.fixture(scope="module")
def runner(index: Host) -> Iterator[str]:
    """An image as bare as a runner's, with the public CAs; the host has no registry, so it is what the index's own image is made of."""
    base = index.check_output("docker inspect --format '{{.Config.Image}}' wheelhouse-index")
    place = "etc/ssl/certs/ca-certificates.crt"
    index.check_output(
        f"mkdir -p {FOLDER}/image && cd {FOLDER}/image && cat /usr/share/ca-certificates/mozilla/*.crt >public"
        f" && printf 'FROM {base}\nUSER root\nCOPY public /{place}\n' >Dockerfile && docker build --quiet --tag {IMAGE} ."
    )
    yield IMAGE
    index.check_output(f"docker image rm --force {IMAGE} && rm -r {FOLDER}")


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
    secret = {"INDEX_PASSWORD": account["index_password"], "COMPANY_CA_TEXT": (STATE / "trust.pem").read_text()}
    pyproject = (
        f'[project]\\nname = "acme-hello"\\nversion = "{release}"\\nrequires-python = ">=3.11"\\n'
        '[build-system]\\nrequires = ["hatchling"]\\nbuild-backend = "hatchling.build"\\n'
    )
    checkout = (
        f"mkdir -p /checkout/src/acme_hello && cd /checkout && : >src/acme_hello/__init__.py"
        f" && printf {shlex.quote(pyproject)} >pyproject.toml"
    )
    environment = "".join(f"export {name}={shlex.quote(text)}\n" for name, text in (variables | secret).items())
    index.check_output(
        f"umask 077 && cat >{FOLDER}/job <<'WHEELHOUSE'\nset -euo pipefail\n{environment}{checkout}\n{script}\nWHEELHOUSE"
    )
    proxy = "set -a && . /etc/wheelhouse/proxy.env && set +a"
    names = "--env HTTP_PROXY --env HTTPS_PROXY --env NO_PROXY"
    run = index.run(f"{proxy} && docker run --rm --interactive --network host {names} {runner} bash <{FOLDER}/job")
    assert run.rc == 0, run.stdout + run.stderr
    return release, run.stdout + run.stderr


def test_the_release_is_on_the_index(published: tuple[str, str], gateway: Gateway) -> None:
    release, _ = published
    assert release in gateway.page("acme-hello")["versions"]


def test_the_job_prints_no_password(published: tuple[str, str], office: Office) -> None:
    _, printed = published
    assert office.access["jobs"][0]["index_password"] not in printed
    assert re.search("(?i)uploading|published", printed), "it did print"


def test_the_account_publishes_nothing_else(office: Office, gateway: Gateway, version: str) -> None:
    (account,) = office.access["jobs"]
    wheel = Wheel("acme_gateway", f"{version}.9")
    refused = gateway.upload(wheel.filename, wheel.build(), login=(account["name"], account["index_password"]))
    assert refused.status == 403
    assert "acme-hello" in refused.text
