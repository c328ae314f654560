"""The Dockerfile of examples/docker, built as people would, on the index host: the one host of the office with an engine."""

from __future__ import annotations

import base64
import shlex
from urllib.parse import urlsplit

from company import ROOT, Office
from documented_commands import of_settings
from testinfra.host import Host

DOCKERFILE = (ROOT / "examples/docker/Dockerfile").read_text(encoding="utf-8")
# what reads the login and the settings of the machine that builds; the index host, where this runs, is no client itself
PIP_CONF = "/etc/pip.conf"


def write(host: Host, path: str, text: str) -> None:
    """A file for root alone."""
    content = base64.b64encode(text.encode()).decode()
    host.check_output(f"umask 077 && mkdir -p $(dirname {path}) && echo {content} | base64 -d >{path}")


def as_written() -> str:
    """The command that the Dockerfile's comment shows."""
    (command,) = (words for words, _, kind in of_settings(DOCKERFILE, 1) if words.startswith("docker build --"))
    return command


def build(office: Office, index: Host, name: str, requirements: str, folder: str, image: str) -> str:
    """Build an image with these requirements and the login of the person `name`; what was said.

    folder      on the index host; what is built from is left there
    image       the tag, beside which there is TAG-base afterwards, for the next build
    """
    workstation = office.host("workstation")
    write(index, f"{folder}/Dockerfile", DOCKERFILE)
    write(index, f"{folder}/requirements.txt", requirements)
    write(index, f"{folder}/.netrc", workstation.file(f"/home/{name}/.netrc").content_string)
    write(index, f"{folder}/pip.conf", workstation.file("/etc/pip.conf").content_string)
    # the office has no registry; what Python there is comes with the index's own image, where root would not be root
    base = index.check_output("docker inspect --format '{{.Config.Image}}' wheelhouse-index")
    write(index, f"{folder}/base", f"FROM {base}\nUSER root\n")
    index.check_output(f"docker build --quiet --tag {image}-base - <{folder}/base")
    # BuildKit drops a name server on loopback, and that is what these hosts have, being containers themselves
    hosts = [urlsplit(url).hostname for url in (office.index_url, office.access["proxy_url"])]
    names = " ".join(f"--add-host {host}:{index.check_output('getent ahostsv4 %s', host).split()[0]}" for host in hosts)
    # what these hosts need beside it, and no other does
    more = f"--network host {names} --build-arg PYTHON_IMAGE={image}-base --progress plain --no-cache --tag {image}"
    script = f"""
        set -e; cd {folder}; set -a; . /etc/wheelhouse/proxy.env; set +a; export HOME=$PWD
        cp pip.conf {PIP_CONF}; trap 'rm {PIP_CONF}' EXIT
        docker() {{ shift; command docker build {more} "$@"; }}
        export DOCKER_BUILDKIT=1
        {as_written()}
    """
    command = f"flock /run/docker-build bash -c {shlex.quote(script)}"
    built = index.run(command)
    assert built.rc == 0, built.stdout + built.stderr
    return str(built.stdout + built.stderr)


def remove(index: Host, folder: str, image: str) -> None:
    index.check_output(
        f"docker image rm --force {image} {image}-base && rm -r {folder}; docker image rm --force app 2>&1 || true"
    )
