"""A site without a route: an index host that has no network at all, set up and kept current from a medium alone.

It is set up by site.yml, with the image that came in the bundle. Its Debian packages come from what stands for the
site's own mirror, before its network is cut.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import testinfra
from company import STATE, SUFFIX, Run, eventually, play, vault
from testinfra.host import Host

pytestmark = pytest.mark.long

OUTSIDE, INSIDE = f"wheelhouse-index{SUFFIX}", f"wheelhouse-closed{SUFFIX}"
NAME = "packages.closed.example"
PASSWORD = "the-closed-sites-own"
BUNDLES = "/srv/wheelhouse/bundles"
KEY = "/srv/wheelhouse/transfer/state/key.pub"
MEDIUM = "/srv/medium"
FIRST, SECOND = "wheelhouse-000001", "wheelhouse-000002"
STATUS = "curl -s -o /dev/null -w '%{http_code}' --cacert /client/ca.pem $URL/simple/tabulate/"
# changes one bit of a file, and neither its length nor its name
FLIP = """
import sys
with open(sys.argv[1], "r+b") as file:
    byte = file.read(1)[0]
    file.seek(0)
    file.write(bytes([byte ^ 1]))
"""


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def like(container: str) -> list[str]:
    """What `docker run` takes for a host like this one; an engine runs in it, too."""
    [found] = json.loads(docker("inspect", container))
    settings: dict[str, Any] = found["HostConfig"]
    options = [f"--cap-add={one}" for one in settings["CapAdd"]]
    options += [f"--security-opt={one}" for one in settings["SecurityOpt"]]
    options += [f"--tmpfs={place}" for place in settings["Tmpfs"]]
    options += [f"--device={one['PathOnHost']}" for one in settings["Devices"] or []]
    options += [f"--cgroupns={settings['CgroupnsMode']}"]
    for mount in found["Mounts"]:
        source = f"{mount['Source']}:" if mount["Type"] == "bind" else ""
        options.append(f"--volume={source}{mount['Destination']}")
    return [*options, found["Config"]["Image"]]


class Site:
    """The closed site: its one host, its inventory, and a medium that is carried there."""

    def __init__(self, place: Path, key: str) -> None:
        self.host: Host = testinfra.get_host(f"docker://{INSIDE}")
        self.medium = place / "medium"
        self._inventory = place / "inventory"
        self._inventory.mkdir()
        secret = place / "password"
        secret.touch(0o600)
        secret.write_text(PASSWORD)
        password = f"{{{{ lookup('ansible.builtin.file', '{secret}') }}}}"
        image = json.loads((STATE / "images.json").read_text(encoding="utf-8"))
        name = Path(image["index_archive"]).name
        variables = {
            "ansible_connection": "community.docker.docker",
            "ansible_host": INSIDE,
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "wheelhouse_index_url": f"https://{NAME}",
            "wheelhouse_people": [{"name": "ines", "publishes": [], "index_password": password}],
            "wheelhouse_conda_channels": ["conda-forge"],
            "pypi_index_image_source": "archive",
            "pypi_index_image": image["index"],
            "pypi_index_image_archive": str(self.medium / FIRST / "extras" / name),
            "pypi_index_upstream": "closed",
            "index_gateway_certificate_source": "self_signed",
            "package_transfer_direction": "import",
            "package_transfer_directory": MEDIUM,
            "package_transfer_signers": [key],
            # what it decides itself; the advisories are those that come over
            "package_intake_policy": {
                "minimum_age": 0,
                "exceptions": [
                    {"package": "networkx==1.10", "advisory": "sdist", "reason": "exercises", "until": "2099-12-31"}
                ],
            },
        }
        inventory = {"all": {"children": {"index_hosts": {"hosts": {"index.closed.example": variables}}}}}
        (self._inventory / "hosts.yml").write_text(json.dumps(inventory), encoding="utf-8")

    def play(self, playbook: str, *arguments: str) -> Run:
        return play(f"wheelhouse.onboarding.{playbook}", *arguments, inventory=self._inventory)

    def carry(self, *bundles: str) -> None:
        """Put these bundles of the medium, and no others, where the host looks for them."""
        self.host.check_output(f"rm -rf {MEDIUM} && mkdir {MEDIUM}")
        for name in bundles:
            docker("cp", f"{self.medium / name}", f"{INSIDE}:{MEDIUM}/{name}")
        self.host.check_output(f"chown -R 0:0 {MEDIUM} && chmod -R a+rX {MEDIUM}")

    def refuses(self) -> str:
        """What an import that has to fail says. Nothing was let in by it."""
        said = self.host.run("wheelhouse-transfer --apply")
        assert said.rc == 1, said.stderr
        record = json.loads(self.host.check_output("cat /var/lib/wheelhouse/runs/import.json"))
        assert (record["outcome"], record["last_ok"]) == ("failed", None)
        assert self.ask(f"{STATUS} --netrc-file /client/netrc") == "404"
        return str(said.stderr)

    def ask(self, script: str) -> str:
        """What a person on the host's own network, which has nobody else, gets from the index under its address."""
        return str(self.host.check_output("env URL=%s sh -e -c %s", f"https://{NAME}", script))


@pytest.fixture(scope="module")
def medium(index: Host, settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two bundles of the index outside, on a medium: all that it admitted with its image, and then one file more."""
    place = tmp_path_factory.mktemp("gap")
    image = json.loads((STATE / "images.json").read_text(encoding="utf-8"))["index_archive"]
    later = place / "later.tar"
    later.write_text("tools")
    settings.apply(package_transfer_direction="export", package_transfer_extras=[image])
    assert "Bundle 1: " in settings.play("export").output
    settings.apply(package_transfer_direction="export", package_transfer_extras=[image, str(later)])
    assert "Bundle 2: " in settings.play("export").output
    docker("cp", f"{OUTSIDE}:{BUNDLES}", str(place / "medium"))
    yield place
    settings.apply()
    play(
        Path(__file__).with_name("roles.yml"),
        "-e",
        '{"roles_to_run": ["package_transfer"], "package_transfer_state": "absent"}',
    )
    index.check_output(f"rm -rf {BUNDLES} /srv/wheelhouse/transfer")


@pytest.fixture(scope="module")
def closed(index: Host, medium: Path) -> Iterator[Site]:
    subprocess.run(["docker", "rm", "--force", "--volumes", INSIDE], check=False, capture_output=True)
    *options, image = like(OUTSIDE)
    network = f"wheelhouse-inside{SUFFIX}"
    try:
        docker(
            *("run", "--detach", "--name", INSIDE, "--hostname", "index", f"--add-host={NAME}:127.0.0.1"),
            *("--network", network, *options, image),
        )
        site = Site(medium, index.check_output(f"cat {KEY}"))
        running = ("running", "degraded")
        eventually(lambda: site.host.run("systemctl is-system-running").stdout.strip() in running, "it has booted")
        packages = index.check_output("apt-mark showmanual").split()
        proxy = f"http://EMEA%5Csvc-machines:{quote(vault()['machines_proxy'], safe='')}@proxy.acme.example:3128"
        site.host.check_output(
            f"export http_proxy=%s DEBIAN_FRONTEND=noninteractive; apt-get update -qq && apt-get install -qq -y"
            f" --no-install-recommends {' '.join(packages)} python3-cryptography python3-venv curl >/var/log/apt.log",
            proxy,
        )
        docker("network", "disconnect", network, INSIDE)
        site.play("site")
        yield site
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", INSIDE], check=False, capture_output=True)


@pytest.fixture(scope="module")
def client(closed: Site) -> Site:
    """With a person's login, the CA of the site, and the conda that its administrators carried there."""
    conda = json.loads((STATE / "conda.json").read_text(encoding="utf-8"))["installer"]
    netrc = f"machine {NAME} login ines password {PASSWORD}"
    closed.host.check_output("mkdir -p /client && echo %s >/client/netrc", netrc)
    closed.host.check_output("cp /etc/nginx/wheelhouse/issuer.pem /client/ca.pem && chmod -R a+rX /client")
    docker("cp", conda, f"{INSIDE}:/client/conda.sh")
    closed.host.check_output("sh /client/conda.sh -b -p /client/conda")
    return closed


def test_it_has_no_route(closed: Site, index: Host) -> None:
    assert closed.host.check_output("ip -brief address show scope global").split()[:1] in ([], ["docker0"])
    assert closed.host.check_output("ip route show default") == ""
    outside = index.check_output("hostname --ip-address").split()[0]
    assert closed.host.run(f"timeout 5 bash -c '</dev/tcp/{outside}/443'").rc != 0


def test_its_image_is_the_one_in_the_bundle(closed: Site) -> None:
    manifest = json.loads((closed.medium / FIRST / "manifest.json").read_text(encoding="utf-8"))
    [extra] = manifest["extras"]
    [file] = (closed.medium / FIRST / "extras").iterdir()
    with file.open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").hexdigest() == extra["sha256"]
    assert closed.host.check_output("docker exec wheelhouse-index wheelhouse health") == '{"status": "ok"}'
    assert closed.play("site").changed == 0


def test_a_bundle_that_does_not_come_next_changes_nothing(client: Site) -> None:
    client.carry(SECOND)
    assert "bundle 1" in client.refuses().lower()


def test_a_bundle_with_another_byte_changes_nothing(client: Site) -> None:
    """In its manifest, and in a file that it brings."""
    client.carry(FIRST)
    client.host.check_output(f"printf ' ' >>{MEDIUM}/{FIRST}/manifest.json")
    assert "was changed after it was signed" in client.refuses()
    client.carry(FIRST)
    manifest = json.loads((client.medium / FIRST / "manifest.json").read_text(encoding="utf-8"))
    digest = next(one["sha256"] for one in manifest["files"] if one["project"] == "tabulate")
    client.host.check_output("python3 -c %s %s", FLIP, f"{MEDIUM}/{FIRST}/files/{digest}")
    assert "is not what its manifest says" in client.refuses()


def test_a_bundle_that_someone_else_signed_changes_nothing(client: Site) -> None:
    client.carry(FIRST)
    client.host.check_output(
        f"docker run --rm --user 0 --network none --volume {MEDIUM}/{FIRST}:/bundle"
        " $(docker inspect --format %s wheelhouse-index) sh -e -c %s",
        "{{.Image}}",
        "rm /bundle/manifest.json.sig; ssh-keygen -q -t ed25519 -N '' -f /tmp/key;"
        " ssh-keygen -q -Y sign -f /tmp/key -n wheelhouse-export /bundle/manifest.json; chmod a+r /bundle/*",
    )
    assert "sign" in client.refuses()


def test_pip_uv_and_conda_install_what_the_outside_let_in(client: Site) -> None:
    client.carry(FIRST, SECOND)
    said = client.play("import", "-e", "package_transfer_apply=true").output
    assert "receipt-000002.json" in said, said[-3000:]
    record = json.loads(client.host.check_output("cat /var/lib/wheelhouse/runs/import.json"))
    assert (record["outcome"], record["problems"]) == ("ok", [])
    install = """
        export HOME=/tmp NETRC=/client/netrc SSL_CERT_FILE=/client/ca.pem
        uv pip install --quiet --no-cache --target /tmp/uv --index-url $URL/simple/ tabulate
        python3 -m pip install --quiet --no-cache-dir --cert /client/ca.pem --target /tmp/pip --index-url $URL/simple/ tabulate
        ls -d /tmp/*/tabulate-*
    """
    shown = client.host.check_output(
        f"docker run --rm --network host --add-host {NAME}:127.0.0.1 --tmpfs /tmp:exec --volume /client:/client:ro"
        " --env URL=%s $(docker inspect --format %s wheelhouse-index) sh -e -c %s",
        f"https://{NAME}",
        "{{.Image}}",
        install,
    )
    assert sorted(line.split("/")[2] for line in shown.splitlines()) == ["pip", "uv"], shown
    client.ask(
        "export NETRC=/client/netrc REQUESTS_CA_BUNDLE=/client/ca.pem HOME=/root; /client/conda/bin/conda create -qy"
        " -p /client/env --override-channels -c $URL/conda/conda-forge orange3 >/client/log 2>&1 || { cat /client/log; exit 1; }"
    )
    assert client.host.file("/client/env/conda-meta").is_directory
    assert "orange3-3.29.3" in client.host.check_output("ls /client/env/conda-meta")
    assert client.ask(f"{STATUS} --netrc-file /client/netrc") == "200"
    assert client.ask(STATUS) == "401"
