"""The Dockerfile of docs/docker, built as people would: packages come from the index, and no password stays in the image."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
from company import ROOT, Office, vault
from gateway import Gateway
from index.samples import Wheel
from testinfra.host import Host

pytestmark = pytest.mark.usefixtures("as_in_the_inventory")

FOLDER = "/root/docker-build"
IMAGE = "wheelhouse-test-build"


def write(host: Host, name: str, text: str) -> None:
    """A file in the folder of the build, for root alone."""
    content = base64.b64encode(text.encode()).decode()
    host.check_output(f"umask 077 && mkdir -p {FOLDER} && echo {content} | base64 -d >{FOLDER}/{name}")


@pytest.fixture(scope="module")
def image(office: Office, index: Host, gateway: Gateway, wheel: Wheel) -> Iterator[str]:
    """What the image was saved as: a file on the index host, the one host of the office with an engine."""
    workstation = office.host("workstation")
    write(index, "Dockerfile", (ROOT / "docs/docker/Dockerfile").read_text())
    write(index, "requirements.txt", f"acme-gateway=={wheel.version}\nidna\n")
    write(index, "netrc", workstation.file("/home/ada/.netrc").content_string)
    write(index, "pip.conf", workstation.file("/etc/pip.conf").content_string)
    # the office has no registry; what Python there is comes with the index's own image, where root would not be root
    base = index.check_output("docker inspect --format '{{.Config.Image}}' wheelhouse-index")
    write(index, "base", f"FROM {base}\nUSER root\n")
    index.check_output(f"docker build --quiet --tag {IMAGE}-base - <{FOLDER}/base")
    # BuildKit drops a name server on loopback, and that is what these hosts have, being containers themselves
    hosts = [urlsplit(url).hostname for url in (office.index_url, office.access["proxy_url"])]
    names = " ".join(f"--add-host {host}:{index.check_output('getent ahostsv4 %s', host).split()[0]}" for host in hosts)
    build = (
        f"cd {FOLDER} && set -a && . /etc/wheelhouse/proxy.env && set +a && export DOCKER_BUILDKIT=1 && docker build"
        " --secret id=netrc,src=netrc --secret id=pip,src=pip.conf --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt"
        " --build-arg HTTP_PROXY --build-arg HTTPS_PROXY --build-arg NO_PROXY"
        f" --network host {names} --build-arg PYTHON_IMAGE={IMAGE}-base --progress plain --no-cache --tag {IMAGE} ."
    )
    built = index.run(build)
    assert built.rc == 0, built.stdout + built.stderr
    write(index, "log", built.stdout + built.stderr)
    index.check_output(f"docker save --output {FOLDER}/image.tar {IMAGE}")
    yield f"{FOLDER}/image.tar"
    index.check_output(f"docker image rm --force {IMAGE} {IMAGE}-base && rm -r {FOLDER}")


def test_it_holds_an_internal_and_a_public_package(image: str, index: Host, wheel: Wheel) -> None:
    ask = "import acme_gateway, idna, importlib.metadata as m; print(m.version('acme-gateway'))"
    assert index.check_output(f"docker run --rm {IMAGE} python3 -c %s", ask) == wheel.version


def test_no_password_is_in_its_history_layers_or_environment(image: str, index: Host, office: Office) -> None:
    # the names are there, so that a search that finds nothing has looked
    assert index.run("grep --text --quiet acme_gateway %s", image).rc == 0
    history = index.check_output(f"docker history --no-trunc --format '{{{{json .}}}}' {IMAGE}")
    assert "requirement requirements.txt" in history
    described = json.dumps(json.loads(index.check_output(f"docker inspect {IMAGE}")))
    log = index.file(f"{FOLDER}/log").content_string
    secrets = {office.person("ada").index_password, vault()["machines_proxy"]}
    for secret in secrets | {quote(secret, safe="") for secret in secrets}:
        write(index, "secret", secret)
        found = index.run(f"grep --text --fixed-strings --file {FOLDER}/secret %s", image)
        assert found.rc == 1, "in a layer"
        assert secret not in history + described + log
    assert index.run(f"docker run --rm {IMAGE} find /run/secrets /root/.netrc /etc/pip.conf").stdout.strip() in (
        "",
        "/run/secrets",
    )
