"""Downloads are counted from the gateway's own log: what counts, how often, and what is not in the log."""

from __future__ import annotations

import json

import pytest
from company import Office, eventually
from index.samples import Wheel
from testinfra.host import Host

LOG = "/var/log/wheelhouse-index/downloads.log"


def downloads(index: Host, wheel: Wheel) -> int:
    """How often the file was downloaded, by the program; counted anew before."""
    index.check_output("systemctl start wheelhouse-housekeeping.service")
    told = json.loads(index.check_output("docker exec wheelhouse-index wheelhouse downloads acme-gateway --json"))
    found: int = told.get(wheel.filename, {"total": 0})["total"]
    return found


@pytest.fixture(name="ask")
def _ask(office: Office, index: Host):
    ada = office.person("ada")

    def ask(path: str, arguments: str = "") -> str:
        command = (
            "curl --silent --insecure --output /dev/null --write-out '%%{http_code}'"
            f" --resolve packages.acme.example:443:127.0.0.1 {arguments} --user %s https://packages.acme.example%s"
        )
        return index.check_output(command, f"ada:{ada.index_password}", path)

    return ask


def test_what_counts_as_a_download(index: Host, ask, wheel: Wheel, file: str) -> None:
    before = downloads(index, wheel)
    assert ask(file) == "200"
    assert ask(file, "--header 'Range: bytes=0-99'") == "206"
    # these do not
    assert ask(file, "--header 'Range: bytes=100-199'") == "206"
    assert ask(file, "--head") == "200"
    assert ask(f"{file}.metadata") == "200"
    assert ask(f"{file}.missing") == "404"
    assert ask("/simple/acme-gateway/") == "200"
    # nginx writes its log after a second
    eventually(lambda: index.run(f"test -s {LOG}").rc == 0, "the log is written", 15)
    assert downloads(index, wheel) == before + 2
    assert downloads(index, wheel) == before + 2


def test_the_log_names_nobody(index: Host, ask, file: str) -> None:
    assert ask(file) == "200"
    eventually(lambda: index.run(f"test -s {LOG}").rc == 0, "the log is written", 15)
    (line, *_) = index.check_output(f"cat {LOG}").splitlines()
    seconds, path = line.split(" ")
    assert float(seconds) > 1_700_000_000 and path.startswith(("/packages/", "/conda/"))


def test_downloads_go_on_while_the_log_is_changed(index: Host, ask, wheel: Wheel, file: str) -> None:
    before = downloads(index, wheel)
    for _ in range(5):
        assert ask(file) == "200"
        index.check_output("systemctl start wheelhouse-housekeeping.service")
    eventually(lambda: downloads(index, wheel) == before + 5, "each is counted once", 30)


def test_the_outcome_is_left_for_monitoring(index: Host) -> None:
    index.check_output("systemctl start wheelhouse-housekeeping.service")
    left = json.loads(index.check_output("cat /var/lib/wheelhouse/runs/housekeeping.json"))
    assert (left["job"], left["outcome"], left["problems"]) == ("housekeeping", "ok", [])
    assert index.file("/var/lib/wheelhouse/runs/housekeeping.json").mode == 0o644
    assert index.service("wheelhouse-housekeeping.timer").is_running
    assert index.run("ls /var/log/wheelhouse-index/*.log.*").rc != 0


def test_nginx_logs_are_rotated(index: Host) -> None:
    assert index.run("logrotate --debug /etc/logrotate.d/nginx").rc == 0
