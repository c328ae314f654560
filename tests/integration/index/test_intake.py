"""Public packages, from the public index through the proxy onto the shelf: what the program does is for the unit tests, this is the rest."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from browser import complaints_of, needs_chromium, open_page
from company import Office, eventually, site, vault
from gateway import Gateway
from shelf import PLACE, Shelf
from testinfra.host import Host

UNIT = "wheelhouse-intake.service"
PROGRAM = "/usr/local/sbin/wheelhouse-intake"
RECORD = f"{PLACE}/reports/last-run.json"
REFUSED, ADVISORY = "sqlparse", "CVE-2023-30608"


def last_run(index: Host) -> dict:
    return json.loads(index.check_output("cat %s", RECORD))


def run(index: Host) -> dict:
    """A run from its beginning to its end; what it noted."""
    index.run("systemctl start %s", UNIT)
    return last_run(index)


@pytest.fixture(scope="module", autouse=True)
def brought_in(index: Host, settings) -> None:
    """However long ago that was, and whatever lists other tests had."""
    settings.apply()
    run(index)


def through_the_proxy(proxy: Host) -> int:
    """Bytes that the machines' own account has had from outside so far."""
    lines = proxy.check_output("cat /var/log/squid/access.log").splitlines()
    return sum(int(line.split()[4]) for line in lines if "svc-machines" in line and "CONNECT" in line)


def test_a_second_run_fetches_nothing_and_changes_no_byte(index: Host, proxy: Host, shelf: Shelf) -> None:
    def content() -> dict[str, list]:
        return {path: what for path, what in shelf.snapshot().items() if path not in (RECORD, f"{PLACE}/reports")}

    began = last_run(index)["started"]
    before, journal, bytes_before = content(), shelf.journal(), through_the_proxy(proxy)
    assert run(index)["started"] > began
    assert content() == before and shelf.journal() == journal
    said = index.check_output("journalctl --unit %s --output cat --lines 20", UNIT)
    assert re.search(r"\d lines, \d+ releases: 0 files fetched, 0 published, 0 yanked", said), said
    # The pages of four projects were asked for again, because only they tell whether there is something new.
    size = int(index.check_output(f"cat {PLACE}/packages/networkx/* | wc --bytes"))
    assert through_the_proxy(proxy) - bytes_before < size / 2


def test_what_is_kept_back_is_seen(index: Host, gateway: Gateway) -> None:
    assert index.run("systemctl is-failed %s", UNIT).stdout.strip() == "failed"
    answer = gateway.ask("/reports/last-run.json", login="leo")
    assert answer.status == 200 and answer.json["outcome"] == "something is kept back"
    (problem,) = answer.json["problems"]
    assert REFUSED in problem and ADVISORY in problem
    assert problem in index.check_output("journalctl --unit %s --output cat", UNIT)
    assert ADVISORY in site(playbook="report").output
    assert ADVISORY in index.run("docker exec wheelhouse-index wheelhouse report").stdout
    for path in ("/reports/", "/reports/last-run.json", "/reports/intake.cdx.json"):
        assert gateway.ask(path, login=None).status == 401


@needs_chromium
def test_the_report_in_a_browser(gateway: Gateway, office: Office, tmp_path: Path) -> None:
    login = {"username": "leo", "password": office.person("leo").index_password}
    resolved = f"--host-resolver-rules=MAP {gateway.name} {gateway.address}"
    with open_page(tmp_path, resolved, ignore_https_errors=True, http_credentials=login) as page:
        complaints = complaints_of(page)
        page.goto(f"https://{gateway.name}/reports/")
        assert complaints == []
        text = page.inner_text("body")
        for said in ("networkx==1.10", "decorator", REFUSED, ADVISORY):
            assert said in text


def test_it_happens_every_week_at_a_time_of_this_hosts_own(index: Host) -> None:
    timer = index.service("wheelhouse-intake.timer")
    assert timer.is_enabled and timer.is_running
    shown = "--property=NextElapseUSecRealtime --property=RandomizedDelayUSec --property=Persistent"
    said = index.check_output(f"TZ=UTC systemctl show --timestamp=utc {shown} wheelhouse-intake.timer")
    properties = dict(line.split("=", 1) for line in said.splitlines())
    assert (properties["RandomizedDelayUSec"], properties["Persistent"]) == ("2h", "yes")
    soonest = datetime.strptime(properties["NextElapseUSecRealtime"], "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    assert timedelta() < soonest - datetime.now(UTC) < timedelta(days=7, hours=2)


def test_two_runs_do_not_overlap_and_none_shows_a_secret(index: Host) -> None:
    """Whoever runs it by hand meanwhile is told so, and the run that is under way goes on."""
    script = f"""
        systemctl start --no-block {UNIT}
        until docker ps --quiet --filter name=^wheelhouse-intake$ | grep .; do sleep 0.05; done
        {PROGRAM} --rollback nothing; echo "exit $?"
        docker ps --quiet --filter name=^wheelhouse-intake$
        docker inspect wheelhouse-intake
        cat /proc/[0-9]*/cmdline | tr '\\0' ' '
    """
    done = index.run("sh -c %s 2>&1", script)
    first, told, code, again = done.stdout.splitlines()[:4]
    assert "under way" in told and code == "exit 1" and again == first
    assert "wheelhouse intake" in done.stdout, "it was still running"
    index.run("systemctl start %s", UNIT)  # waits for its end
    assert last_run(index)["outcome"] == "something is kept back"
    said = done.stdout + index.check_output("journalctl --unit %s", UNIT) + json.dumps(last_run(index))
    said += index.check_output(f"cat {PLACE}/reports/*; docker exec wheelhouse-index wheelhouse journal --json")
    for name, secret in vault().items():
        spelled = (secret, quote(secret, safe=""), json.dumps(secret)[1:-1])
        encoded = base64.b64encode(f"EMEA\\svc-machines:{secret}".encode()).decode()
        assert [form for form in (*spelled, encoded) if form in said] == [], name


def test_a_changed_list_is_brought_in_at_once_and_somebody_is_told(
    index: Host, gateway: Gateway, settings, tmp_path: Path
) -> None:
    began = last_run(index)["started"]
    (tmp_path / "teaching.txt").write_text("text-unidecode==1.3\n")
    settings.apply(
        package_intake_packages=[{"pypi": "file:teaching.txt"}, {"pypi": "sqlparse==0.4.3"}],
        package_intake_files=str(tmp_path),
        package_intake_on_failure="python3 -c \"import json, sys; print(*json.load(sys.stdin)['problems'])\" >/run/told",
    )
    eventually(lambda: last_run(index)["started"] > began, "a new run came to its end")
    assert [file["filename"] for file in gateway.page("text-unidecode")["files"]]
    eventually(lambda: ADVISORY in index.run("cat /run/told").stdout, "somebody was told", 20)
    assert gateway.page("tabulate")["files"], "what is no longer on the list stays on the shelf"


def test_an_earlier_set_is_put_back_until_it_is_no_longer(index: Host, gateway: Gateway) -> None:
    """By the program on the host, while the list is the changed one."""

    def offered(project: str) -> bool:
        return not all(file.get("yanked") for file in gateway.page(project)["files"])

    *_, first = index.check_output("%s --sets", PROGRAM).split()
    assert offered("text-unidecode")
    said = index.run("%s --rollback %s --by ada", PROGRAM, first)
    assert said.rc == 1 and "put back by ada" in said.stderr, said.stderr
    assert (offered("text-unidecode"), offered("networkx")) == (False, True)
    assert "put back by ada" in site(playbook="report").output
    index.run("%s --roll-forward --by ada", PROGRAM)
    assert offered("text-unidecode")
    assert [problem for problem in last_run(index)["problems"] if "put back" in problem] == []
