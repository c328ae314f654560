"""The command itself: its exit codes, its two forms of report, and that nothing of the person's breaks it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wheelhouse_doctor import cli, findings, runner, settings
from wheelhouse_doctor.findings import Finding, fail, ok

SOURCE = Path(cli.__file__).parents[1]


@pytest.fixture
def company(tmp_path, closed_port) -> str:
    """Settings of a company whose index is down."""
    file = tmp_path / "doctor.json"
    file.write_text(json.dumps({"index_url": f"http://localhost:{closed_port}", "ca_store": "x", "company_ca": []}))
    return str(file)


@pytest.fixture
def found(monkeypatch):
    """Have the run find what a test says."""

    def find(*findings: Finding) -> None:
        monkeypatch.setattr(cli, "run_checks", lambda *_: list(findings))

    return find


def test_everything_works(company, found, capsys):
    found(ok("index", "localhost", "there"))
    assert cli.main([], company) == 0
    assert capsys.readouterr().out == "ok      index  localhost  there\n\nEverything works.\n"


def test_a_fault(company, found, capsys):
    found(fail("index", "localhost", "It is down.", "Wait."))
    assert cli.main([], company) == 1
    out = capsys.readouterr().out
    assert out == "FAIL    index  localhost\n          It is down.\n          Wait.\n\n1 thing is wrong.\n"


def test_in_a_directory_that_was_deleted(company, tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert cli.main([], company) == 1
    assert "localhost" in capsys.readouterr().out


def test_json(company, capsys):
    assert cli.main(["--json"], company) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["works"], said["faults"] >= 1) == (False, True)
    down = [finding for finding in said["findings"] if finding["check"] == "index"]
    assert [finding["verdict"] for finding in down] == ["fail"]
    assert set(down[0]) == {"check", "verdict", "looked_at", "sentence", "remedy"}


def test_wrong_use(company, capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main(["--nonsense"], company)
    assert leaving.value.code == 2


def test_help_says_exit_codes_and_files(capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main(["--help"])
    assert leaving.value.code == 0
    out = capsys.readouterr().out
    for words in ("exit codes:", "/etc/wheelhouse/doctor.json", "--json", "NETRC"):
        assert words in out


def test_settings_as_the_role_writes_them(tmp_path):
    file = tmp_path / "doctor.json"
    file.write_text('{"index_url": "https://packages.acme.example:8443", "ca_store": "s", "company_ca": ["A", "B"]}')
    company = settings.read(str(file))
    assert (company.index_host, company.index_port, company.company_ca) == ("packages.acme.example", 8443, "A\nB")


@pytest.mark.parametrize("text", [None, "{", '{"index_url": "nonsense"}', '{"other": 1}', "[]"])
def test_a_machine_that_it_has_not_set_up(tmp_path, text, capsys):
    file = tmp_path / "doctor.json"
    if text:
        file.write_text(text)
    assert cli.main([], str(file)) == 1
    assert "run site.yml" in capsys.readouterr().out


@pytest.mark.parametrize("busy", [False, True])
def test_what_is_never_done_is_given_up(company, monkeypatch, capsys, busy):
    def hang():
        time.sleep(5)
        yield ok("never", "")

    monkeypatch.setattr(runner, "LONGEST", 0.3)
    monkeypatch.setattr(runner, "all_parts", lambda *_: [runner.Part("slow", hang)])
    monkeypatch.setattr(findings, "load", lambda: (9.0 if busy else 0.5, 2))
    assert cli.main([], company) == (0 if busy else 1)
    out = capsys.readouterr().out
    assert "was not done after 0.3 s" in out
    if busy:
        assert "its load is 9.0, and it has 2 processors" in out
        assert "Everything works" not in out and "not everything could be looked at in time" in out


def test_the_doctors_own_failure_shows_no_secret(company, monkeypatch, capsys):
    def break_down():
        raise RuntimeError("the password is sesame")
        yield

    monkeypatch.setattr(runner, "all_parts", lambda *_: [runner.Part("broken", break_down)])
    assert cli.main([], company) == 1
    out = capsys.readouterr().out
    assert "RuntimeError" in out and "sesame" not in out


def test_nothing_of_the_persons_breaks_it(tmp_path):
    """As installed: modules of the same names on PYTHONPATH and in the current directory are not imported."""
    for name in ("json", "argparse", "wheelhouse_doctor"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('hijacked')\n")
    launcher = (SOURCE / "wheelhouse-doctor").read_text().replace("/usr/local/lib/wheelhouse/doctor", str(SOURCE))
    assert launcher.startswith("#!/usr/bin/python3 -IB\n")
    (tmp_path / "doctor").write_text(launcher)
    done = subprocess.run(
        [sys.executable, "-IB", tmp_path / "doctor", "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout[:25]) == (0, "usage: wheelhouse-doctor ")
