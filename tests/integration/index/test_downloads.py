"""Downloads are counted from the gateway's own log: what counts, how often, and what is not in the log."""

from __future__ import annotations

import json

from company import eventually
from gateway import PAGE, Gateway
from index.samples import Wheel
from testinfra.host import Host

LOG = "/var/log/wheelhouse-index/downloads.log"


def keep_house(index: Host) -> None:
    """As the timer has it done each hour; systemd takes many starts in a row for a loop, unless it forgets them."""
    unit = "wheelhouse-housekeeping.service"
    index.check_output(f"systemctl reset-failed {unit}; systemctl start {unit}")


def downloads(index: Host, wheel: Wheel) -> int:
    """How often the file was downloaded, by the program; counted anew before."""
    keep_house(index)
    told = json.loads(index.check_output("docker exec wheelhouse-index wheelhouse downloads acme-gateway --json"))
    found: int = told.get(wheel.filename, {"total": 0})["total"]
    return found


def test_what_counts_as_a_download(index: Host, gateway: Gateway, wheel: Wheel, file: str) -> None:
    before = downloads(index, wheel)
    assert gateway.ask(file).status == 200
    assert gateway.ask(file, headers={"Range": "bytes=0-99"}).status == 206
    # these do not
    assert gateway.ask(file, headers={"Range": "bytes=100-199"}).status == 206
    assert gateway.ask(file, "HEAD").status == 200
    assert gateway.ask(f"{file}.metadata").status == 200
    assert gateway.ask(f"{file}.missing").status == 404
    assert gateway.ask(PAGE).status == 200
    # nginx writes its log after a second
    eventually(lambda: index.run(f"test -s {LOG}").rc == 0, "the log is written", 15)
    assert downloads(index, wheel) == before + 2
    assert downloads(index, wheel) == before + 2


def test_the_log_names_nobody(index: Host, gateway: Gateway, file: str) -> None:
    assert gateway.ask(file).status == 200
    eventually(lambda: index.run(f"test -s {LOG}").rc == 0, "the log is written", 15)
    (line, *_) = index.check_output(f"cat {LOG}").splitlines()
    seconds, path = line.split(" ")
    assert float(seconds) > 1_700_000_000 and path.startswith(("/packages/", "/conda/"))


def test_downloads_go_on_while_the_log_is_changed(index: Host, gateway: Gateway, wheel: Wheel, file: str) -> None:
    before = downloads(index, wheel)
    for _ in range(5):
        assert gateway.ask(file).status == 200
        keep_house(index)
    eventually(lambda: downloads(index, wheel) == before + 5, "each is counted once", 30)


def test_the_outcome_is_left_for_monitoring(index: Host) -> None:
    keep_house(index)
    left = json.loads(index.check_output("cat /var/lib/wheelhouse/runs/housekeeping.json"))
    assert (left["job"], left["outcome"], left["problems"]) == ("housekeeping", "ok", [])
    assert index.file("/var/lib/wheelhouse/runs/housekeeping.json").mode == 0o644
    assert index.service("wheelhouse-housekeeping.timer").is_running
    assert index.run("ls /var/log/wheelhouse-index/*.log.*").rc != 0


def test_nginx_logs_are_rotated(index: Host) -> None:
    assert index.run("logrotate --debug /etc/logrotate.d/nginx").rc == 0
