"""The Dockerfile of examples/docker, built as people would: packages come from the index, and no password stays in the image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from company import Office, vault
from docker_builds import build, remove, write
from gateway import Gateway
from index.samples import Wheel
from testinfra.host import Host

pytestmark = pytest.mark.usefixtures("as_in_the_inventory")

FOLDER = "/root/docker-build"
IMAGE = "wheelhouse-test-build"


@pytest.fixture(scope="module")
def image(office: Office, index: Host, gateway: Gateway, wheel: Wheel) -> Iterator[str]:
    """What the image was saved as: a file on the index host."""
    log = build(office, index, "ada", f"acme-gateway=={wheel.version}\nidna\n", FOLDER, IMAGE)
    write(index, f"{FOLDER}/log", log)
    index.check_output(f"docker save --output {FOLDER}/image.tar {IMAGE}")
    yield f"{FOLDER}/image.tar"
    remove(index, FOLDER, IMAGE)


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
    entry = "sed -n 's/^machine packages.acme.example .* password //p' ~/.netrc"
    secrets.add(office.succeed_as("ada", entry).strip())
    for secret in secrets | {quote(secret, safe="") for secret in secrets}:
        write(index, f"{FOLDER}/secret", secret)
        found = index.run(f"grep --text --fixed-strings --file {FOLDER}/secret %s", image)
        assert found.rc == 1, "in a layer"
        assert secret not in history + described + log
    assert index.run(f"docker run --rm {IMAGE} find /run/secrets /root/.netrc /etc/pip.conf").stdout.strip() in (
        "",
        "/run/secrets",
    )
