"""The CI jobs of examples/ci, each run as its system would: in a fresh container, with the variables and the lines of the file."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping

import yaml
from company import ROOT, STATE
from testinfra.backend.base import CommandResult
from testinfra.host import Host

IMAGE = "wheelhouse-test-ci"
FOLDER = "/root/publishing-job"


def gitlab(path: str) -> tuple[dict[str, str], str]:
    """The job's variables, and its lines as one script."""
    job = yaml.safe_load((ROOT / path).read_text())["publish"]
    # a variable of type file holds the name of one
    setting_up = 'printf %s "$COMPANY_CA_TEXT" >/tmp/ca && export COMPANY_CA=/tmp/ca'
    return job["variables"], "\n".join([setting_up, *job["before_script"], *job["script"]])


def github(path: str, *secrets: str) -> tuple[dict[str, str], str]:
    """The same; each step is a shell of its own, and has the secrets that it names."""
    job = yaml.safe_load((ROOT / path).read_text())["jobs"]["publish"]
    lines, used = [], []
    for step in (step for step in job["steps"] if "run" in step):
        given = {name: _source(text) for name, text in step.get("env", {}).items()}
        assert not given or "uv build" not in step["run"], "what is built runs without a secret"
        used += [source for source in given.values() if source != "COMPANY_CA_TEXT"]
        words = [f'{name}="${source}"' for name, source in given.items()]
        hidden = [f"--unset={secret}" for secret in secrets if secret not in given]
        lines.append(" ".join(["env", *hidden, *words, "sh", "-e", "-c", shlex.quote(step["run"])]))
    assert sorted(used) == sorted(secrets)
    return job["env"], "\n".join(lines)


def _source(text: str) -> str:
    """The variable of the tests' own script for one of the project's settings."""
    if text == "${{ vars.COMPANY_CA }}":
        return "COMPANY_CA_TEXT"
    return text.removeprefix("${{ secrets.").removesuffix(" }}")


@contextlib.contextmanager
def runner_image(index: Host) -> Iterator[str]:
    """An image as bare as a runner's, with the public CAs; the host has no registry, so it is what the index's own image is made of."""
    base = index.check_output("docker inspect --format '{{.Config.Image}}' wheelhouse-index")
    place = "etc/ssl/certs/ca-certificates.crt"
    index.check_output(
        f"mkdir -p {FOLDER}/image && cd {FOLDER}/image && cat /usr/share/ca-certificates/mozilla/*.crt >public"
        f" && printf 'FROM {base}\nUSER root\nCOPY public /{place}\n' >Dockerfile && docker build --quiet --tag {IMAGE} ."
    )
    yield IMAGE
    index.check_output(f"docker image rm --force {IMAGE} && rm -r {FOLDER}")


def run(index: Host, image: str, variables: Mapping[str, str], script: str, release: str) -> CommandResult:
    """Run a job in a checkout of acme-hello as it is at a release."""
    ca = {"COMPANY_CA_TEXT": (STATE / "trust.pem").read_text()}
    pyproject = (
        f'[project]\\nname = "acme-hello"\\nversion = "{release}"\\nrequires-python = ">=3.11"\\n'
        '[build-system]\\nrequires = ["hatchling"]\\nbuild-backend = "hatchling.build"\\n'
    )
    checkout = (
        f"mkdir -p /checkout/src/acme_hello && cd /checkout && : >src/acme_hello/__init__.py"
        f" && printf {shlex.quote(pyproject)} >pyproject.toml"
    )
    environment = "".join(f"export {name}={shlex.quote(text)}\n" for name, text in {**variables, **ca}.items())
    index.check_output(
        f"umask 077 && cat >{FOLDER}/job <<'WHEELHOUSE'\nset -euo pipefail\n{environment}{checkout}\n{script}\nWHEELHOUSE"
    )
    proxy = "set -a && . /etc/wheelhouse/proxy.env && set +a"
    names = "--env HTTP_PROXY --env HTTPS_PROXY --env NO_PROXY"
    return index.run(f"{proxy} && docker run --rm --interactive --network host {names} {image} bash <{FOLDER}/job")
