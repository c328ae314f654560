"""Audits over the gateway: uv and pip-audit with a person's login, answered from demo/osv."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from company import Office
from gateway import Gateway
from testinfra.host import Host

VULNERABLE = {"package": {"name": "sqlparse", "ecosystem": "PyPI"}, "version": "0.4.3"}
ADVISORY = "GHSA-rrm6-wvj7-cwh2"
ALIAS = "CVE-2023-30608"
"""What pip-audit calls it."""
QUERY = json.dumps(VULNERABLE).encode()


def test_an_audit_takes_the_login_of_an_installation(gateway: Gateway) -> None:
    for login, status in (("ada", 200), ("leo", 200), (None, 401), (("ada", "guess"), 401)):
        assert gateway.ask("/osv/v1/query", "POST", body=QUERY, login=login).status == status
        assert gateway.ask(f"/osv/v1/vulns/{ADVISORY}", login=login).status == status


def test_the_answers(gateway: Gateway) -> None:
    batch = json.dumps({"queries": [VULNERABLE, VULNERABLE | {"version": "0.4.4"}]}).encode()
    first, second = gateway.ask("/osv/v1/querybatch", "POST", body=batch).json["results"]
    assert [one["id"] for one in first["vulns"]] == [ADVISORY] and second == {}
    [whole] = gateway.ask("/osv/v1/query", "POST", body=QUERY).json["vulns"]
    assert whole == gateway.ask(f"/osv/v1/vulns/{ADVISORY}").json
    assert gateway.ask("/osv/v1/vulns/GHSA-none").status == 404


def test_many_questions_at_once_are_no_attack(gateway: Gateway) -> None:
    connection = gateway.connection()
    headers = gateway.authorization("ada")
    assert {connection.ask("/osv/v1/query", "POST", headers, QUERY).status for _ in range(150)} == {200}


@pytest.mark.parametrize(
    ("path", "method", "size", "status"),
    [
        ("/osv/v1/query", "POST", 2**20 + 1, 413),
        ("/osv/v1/query", "GET", 0, 405),
        ("/osv/v1/query", "PUT", 10, 405),
        ("/osv/v1/vulns/x", "POST", 10, 405),
        ("/osv/v1/elsewhere", "POST", 10, 404),
        ("/osv/v1/elsewhere", "GET", 0, 404),
    ],
)
def test_what_is_no_question_is_refused(gateway: Gateway, path: str, method: str, size: int, status: int) -> None:
    answer = gateway.ask(path, method, body=b"x" * size)
    assert answer.status == status and len(answer.text) > 10


def test_the_program_sees_the_advisories_and_nothing_else_of_the_intake(index: Host) -> None:
    there = index.check_output("docker exec wheelhouse-index find /intake -maxdepth 1")
    assert there.split() == ["/intake", "/intake/osv"]


@pytest.fixture
def desk(tmp_path: Path, gateway: Gateway) -> dict[str, str]:
    """The environment of somebody who logs in by .netrc, as on workstations."""
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "real = socket.getaddrinfo\n"
        f"def found(host, *more, **named):\n    name = {gateway.name!r}\n"
        f"    return real({gateway.address!r} if host == name else host, *more, **named)\n"
        "socket.getaddrinfo = found\n"
    )
    return {"HOME": str(tmp_path), "PYTHONPATH": str(tmp_path), "REQUESTS_CA_BUNDLE": str(gateway.ca)}


def test_pip_audit_with_a_login_of_netrc(
    desk: dict[str, str], gateway: Gateway, tmp_path: Path, office: Office
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text(f'machine {gateway.name} login ada password "{office.people["ada"].index_password}"\n')
    netrc.chmod(0o600)
    (tmp_path / "requirements.txt").write_text("sqlparse==0.4.3\n")
    command = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--no-deps", "-r", "requirements.txt"]
    told = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": f"https://{gateway.name}/osv/v1/query"}
    done = subprocess.run(command, cwd=tmp_path, env=desk | told, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and ALIAS in done.stdout, done.stderr
