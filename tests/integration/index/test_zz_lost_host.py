"""An index host that is lost: its data, its certificate and its program are gone, and come back from a backup."""

from __future__ import annotations

import re

from company import Office, eventually, site
from gateway import Gateway
from index.samples import Wheel
from shelf import PLACE, Shelf, wait_for_the_intake
from test_certificates import BY_THE_COMPANY
from testinfra.host import Host

SERVED = """
import gzip, hashlib, pathlib, sys

for top in ("packages", "simple", "conda"):
    for path in sorted(pathlib.Path(sys.argv[1], top).rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if top == "simple" and path.suffix == ".gz":
                content = gzip.decompress(content)
                if content != path.with_suffix("").read_bytes():
                    print("a page and its compressed form differ:", content)
            print(hashlib.sha256(content).hexdigest(), path)
"""
"""Prints what clients are served: the SHA-256 of each file's content, of pages unpacked."""


def test_a_lost_index_comes_back(
    index: Host, gateway: Gateway, shelf: Shelf, office: Office, version: str, settings
) -> None:
    settings.apply(**BY_THE_COMPANY)
    first, second = Wheel("acme_lost", version), Wheel("acme_lost", f"{version}.post1")
    for wheel in (first, second):
        assert gateway.upload(wheel.filename, wheel.build()).status == 200
    shelf.run("yank", "acme-lost", version, "--reason", "it is broken")
    sets = index.check_output("wheelhouse-intake --sets")
    settings.play("backup")
    served, events = served_by(index), shelf.journal()
    assert "differ" not in served
    certificate = index.check_output("cat /etc/nginx/wheelhouse/index.pem")
    installing = f"uv pip install --no-cache --target lost acme-lost=={version}.post1"

    index.check_output("systemctl stop nginx wheelhouse-incoming.timer wheelhouse-intake.timer")
    index.check_output("docker rm --force wheelhouse-index")
    index.check_output("rm -rf /srv/wheelhouse /etc/nginx/wheelhouse /etc/nginx/conf.d/wheelhouse.conf")
    assert gateway_is_away(gateway)

    said = settings.play("restore", "--extra-vars", "from=latest").output
    try:
        assert re.search(f"Restored: {len(events)} events", said)
        assert index.check_output("cat /etc/nginx/wheelhouse/index.pem") == certificate
        assert served_by(index) == served
        assert shelf.journal()[: len(events)] == events
        wait_for_the_intake(index)  # its timer starts it again
        assert index.check_output("wheelhouse-intake --sets") == sets
        files = {file["filename"]: file.get("yanked", False) for file in gateway.page("acme-lost")["files"]}
        assert (files[first.filename], files[second.filename]) == ("it is broken", False)
        assert gateway.ask("/simple/", login=("nobody", "nothing")).status == 401
        eventually(lambda: office.run_as("leo", installing).rc == 0, "clients go on")
        assert gateway.upload(second.filename, second.build()).status == 200
        assert shelf.run("verify").strip().endswith(" 0 problems.")
    finally:
        settings.apply()
        index.run("rm -rf /srv/wheelhouse/shelf.before-* /etc/nginx/wheelhouse/*.before-*")
        office.run_as("leo", "rm -rf lost")
    assert site("--limit", "index_hosts", "--tags", "index").changed == 0


def served_by(index: Host) -> str:
    return str(index.check_output("python3 -c %s %s", SERVED, PLACE))


def gateway_is_away(gateway: Gateway) -> bool:
    try:
        return gateway.ask("/simple/").status != 200
    except OSError:
        return True
