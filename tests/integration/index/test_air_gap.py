"""Packages over an air gap: the index exports, and a second shelf on its host, whose containers have no network, imports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from company import Run, play
from testinfra.host import Host

BUNDLES, INSIDE = "/srv/wheelhouse/bundles", "/srv/inside"
STATE = "/srv/wheelhouse/transfer/state"
RUNS = "/var/lib/wheelhouse/runs"
PROGRAM = "/usr/local/sbin/wheelhouse-transfer"


class Inside:
    """The second index: the directories of one, and the role with its settings."""

    def __init__(self, host: Host, settings) -> None:
        self.host = host
        self._settings = settings

    def variables(self) -> str:
        """What its inventory would say."""
        key = self.host.check_output(f"cat {STATE}/key.pub")
        said = {
            "package_transfer_direction": "import",
            "package_transfer_directory": BUNDLES,
            "package_transfer_signers": [key],
            "pypi_index_directory": INSIDE,
        }
        return json.dumps(said)

    def play(self, *arguments: str) -> Run:
        """Run import.yml."""
        return self._settings.play("import", "-e", self.variables(), *arguments)

    def installed(self, command: str) -> str:
        """What pip and uv do with the shelf, in a container that has nothing else: no network, and no other files."""
        script = f"""
            python3 -m http.server --bind 127.0.0.1 --directory /shelf 8000 >/tmp/log 2>&1 &
            until python3 -c 'import socket; socket.create_connection(("127.0.0.1", 8000))' 2>/dev/null; do sleep 0.1; done
            {command}
        """
        return self.host.check_output(
            f"docker run --rm --network none --tmpfs /tmp:exec --env HOME=/tmp --volume {INSIDE}/shelf:/shelf:ro"
            " $(docker inspect --format %s wheelhouse-index) sh -e -c %s",
            "{{.Image}}",
            script,
        )


@pytest.fixture(scope="module")
def inside(index: Host, settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    extra = tmp_path_factory.mktemp("extras") / "tools.tar"
    extra.write_text("wheels")
    settings.apply(package_transfer_direction="export", package_transfer_extras=[str(extra)])
    index.check_output(
        f"install -d -o root -g wheelhouse {INSIDE} && install -d -o wheelhouse -g wheelhouse {INSIDE}/shelf"
        f" && cp -a /srv/wheelhouse/config {INSIDE}/config"
        # its policy is the outside's, which names a directory of advisories
        f" && install -d {INSIDE}/intake && cp -a /srv/wheelhouse/intake/osv {INSIDE}/intake/osv"
    )
    yield Inside(index, settings)
    settings.apply()
    play(
        Path(__file__).with_name("roles.yml"),
        "-e",
        '{"roles_to_run": ["package_transfer"], "package_transfer_state": "absent"}',
    )
    index.check_output(f"rm -rf {INSIDE} {BUNDLES} /srv/wheelhouse/transfer")


@pytest.fixture(scope="module")
def exported(inside: Inside, settings) -> str:
    """What the first export says."""
    return settings.play("export").output


def test_an_export_reports_the_key_and_what_it_wrote(index: Host, exported: str) -> None:
    assert "Bundle 1: " in exported
    assert index.check_output(f"cat {STATE}/key.pub").split()[1] in exported
    key = index.file(f"{STATE}/key")
    assert (key.user, key.mode) == ("wheelhouse", 0o600)
    assert index.run(f"runuser -u nobody -- ls {STATE}").rc != 0
    manifest = json.loads(index.check_output(f"cat {BUNDLES}/wheelhouse-000001/manifest.json"))
    files = {one["project"] for one in manifest["files"]}
    assert {"networkx", "decorator", "tabulate"} <= files and "sqlparse" not in files
    assert not [name for name in files if name.startswith("acme")]
    assert manifest["packages"] and manifest["advisories_of"]
    record = json.loads(index.check_output(f"cat {RUNS}/export.json"))
    assert (record["job"], record["outcome"], record["problems"]) == ("export", "ok", [])
    assert record["last_ok"] == record["ended"] and record["facts"]["number"] == 1
    file = index.file(f"{RUNS}/export.json")
    assert (file.user, file.mode) == ("root", 0o644)


def test_a_second_export_finds_nothing_new(exported: str, settings, index: Host) -> None:
    assert "Nothing is new since the last bundle." in settings.play("export").output
    assert index.run(f"ls {BUNDLES}").stdout.split() == ["wheelhouse-000001"]


def test_a_dry_run_brings_nothing(exported: str, inside: Inside, index: Host) -> None:
    said = inside.play().output
    assert "would bring" in said and "0 refused" in said
    assert not index.file(f"{INSIDE}/shelf/simple/tabulate").exists


def test_a_bundle_with_another_byte_changes_nothing(exported: str, inside: Inside, index: Host) -> None:
    manifest = f"{BUNDLES}/wheelhouse-000001/manifest.json"
    index.check_output(f"cp -a {manifest} /run/kept && printf ' ' >>{manifest}")
    said = index.run(f"{PROGRAM} --apply")
    index.check_output(f"mv /run/kept {manifest}")
    assert said.rc == 1 and "was changed after it was signed" in said.stderr
    assert not index.file(f"{INSIDE}/shelf/simple/tabulate").exists
    record = json.loads(index.check_output(f"cat {RUNS}/import.json"))
    assert (record["outcome"], record["last_ok"]) == ("failed", None)
    assert "was changed after it was signed" in record["problems"][0]


def test_pip_and_uv_install_inside_what_the_outside_let_in(exported: str, inside: Inside, index: Host) -> None:
    said = inside.play("-e", "package_transfer_apply=true").output
    assert "0 refused" in said and "receipt-000001.json" in said
    url = "--index-url http://127.0.0.1:8000/simple/"
    shown = inside.installed(
        f"uv pip install --quiet --no-cache --target /tmp/uv {url} tabulate 2>&1;"
        f" python3 -m pip install --quiet --no-cache-dir --target /tmp/pip {url} tabulate 2>&1; ls -d /tmp/*/tabulate-*"
    )
    assert sorted(line.split("/")[2] for line in shown.splitlines()) == ["pip", "uv"], shown
    repodata = json.loads(index.check_output(f"cat {INSIDE}/shelf/conda/conda-forge/noarch/repodata.json"))
    assert repodata["packages"] or repodata["packages.conda"]
    assert json.loads(index.check_output(f"cat {INSIDE}/shelf/reports/intake.json"))["lines"]
    assert index.check_output(f"cat {INSIDE}/transfer/state/extras/tools.tar") == "wheels"


def test_a_receipt_is_what_the_next_export_goes_by(exported: str, inside: Inside, index: Host, settings) -> None:
    index.check_output(f"cp {INSIDE}/transfer/state/receipts/receipt-000001.json /root/receipt-000001.json")
    said = settings.play("export", "-e", "package_transfer_since=/root/receipt-000001.json").output
    assert "Bundle 2: 0 files, 0 conda packages" in said
    index.check_output(f"rm -r {BUNDLES}/wheelhouse-000002")
    again = index.check_output("wheelhouse-transfer --since /root/receipt-000001.json --refused-too")
    index.check_output("rm /root/receipt-000001.json")
    assert again == "" and index.file(f"{BUNDLES}/wheelhouse-000002/manifest.json").exists
    assert "applied" in inside.play("-e", "package_transfer_apply=true").output


def test_the_role_changes_nothing_the_second_time(inside: Inside, settings) -> None:
    arguments = ("-e", '{"roles_to_run": ["package_transfer"], "package_transfer_direction": "export"}')
    play(Path(__file__).with_name("roles.yml"), *arguments)
    assert play(Path(__file__).with_name("roles.yml"), *arguments).changed == 0
