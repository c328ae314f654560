"""One run of rotate.yml changes every secret while people are at work: they do not notice, and the old ones are good no longer."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from change import new_ca, new_passwords, playbook, write_vault
from company import STATE, Office, Run, host_of, site, vault
from testinfra.host import Host
from work import Work

HTPASSWD = "/srv/wheelhouse/config/htpasswd"
TOKENS = "/etc/wheelhouse/jupyter/tokens"
WHERE = "/etc /home /opt /root /run /srv /tmp /usr/local /var/backups /var/lib/wheelhouse /var/tmp"

# The status of the index's page for a login, asked on the workstation; the login comes on standard input.
ASK_INDEX = """
import base64, http.client, sys
connection = http.client.HTTPSConnection("packages.acme.example", timeout=60)
login = base64.b64encode(sys.stdin.read().encode()).decode()
connection.request("GET", "/simple/", headers={"Authorization": "Basic " + login})
print(connection.getresponse().status)
"""
# The same of a JupyterLab for a token, and how many kernels it has.
ASK_JUPYTER = """
import http.client, json, socket, sys
def ask(token, method, path):
    page = http.client.HTTPConnection("localhost")
    page.sock = socket.socket(socket.AF_UNIX)
    page.sock.connect("/run/jupyter-ada/jupyter.sock")
    page.request(method, path, body="{}" if method == "POST" else None, headers={"Authorization": "token " + token})
    answer = page.getresponse()
    return answer.status, answer.read().decode()
token, method, path = sys.stdin.read().split()
print(json.dumps(ask(token, method, path)))
"""


def given(host: Host, program: str, text: str) -> str:
    """What a Python program on the host prints for a text that nobody may see in its command line."""
    return host.check_output(
        "printf %%s %s | base64 -d | python3 -c %s", base64.b64encode(text.encode()).decode(), program
    )


def index_status(workstation: Host, name: str, password: str) -> int:
    return int(given(workstation, ASK_INDEX, f"{name}:{password}"))


def jupyter_says(jupyter: Host, token: str, method: str, path: str) -> list:
    return json.loads(given(jupyter, ASK_JUPYTER, f"{token} {method} {path}"))


def tokens(jupyter: Host) -> dict[str, str]:
    return {name: jupyter.check_output(f"cat {TOKENS}/{name}").strip() for name in ("ada", "leo")}


def places(host: Host, needles: list[str]) -> str:
    """Files of the host in which one of these is, as it is or percent-encoded."""
    spelled = "\n".join(sorted({form for needle in needles for form in (needle, quote(needle, safe=""))}))
    return host.run("printf %%s %s | grep -rlF --devices=skip --file=- " + WHERE, spelled).stdout


@pytest.fixture(scope="module")
def before(jupyter: Host, index: Host, workstation: Host) -> dict:
    """The secrets that are to be replaced, and a kernel that is to stay."""
    old = {"vault": vault(), "tokens": tokens(jupyter), "hashes": index.check_output(f"cat {HTPASSWD}").split()}
    old["ca"] = (STATE / "ca.pem").read_text()
    old["kernel"] = json.loads(jupyter_says(jupyter, old["tokens"]["ada"], "POST", "/api/kernels")[1])["id"]
    old["server"] = jupyter.check_output("systemctl show --value --property=MainPID jupyterlab@ada")
    return old


@pytest.fixture(scope="module")
def rotated(before: dict, workstation: Host, office: Office) -> dict:
    """The run, and what each job had to complain of."""
    work = Work(workstation, office)
    work.prepare()
    work.start()
    # the proxy belongs to the company: it has the new passwords first
    write_vault(new_passwords("index") | {k: v for k, v in new_passwords("proxy").items() if k.endswith("_proxy")})
    playbook("tests/hosts/create.yml")
    new_ca()
    try:
        run = site("-e", "rotate_jupyter_tokens=all", playbook="rotate", check=False)
        work.a_turn_of_each()
    finally:
        complaints = work.finish()
    playbook("tests/hosts/access.yml")
    assert run.rc == 0, run.output[-8000:]
    return {"run": run, "complaints": complaints, "turns": {job: work.turns(job) for job in complaints}}


def said(run: Run) -> str:
    """What the run said in the end, white space folded."""
    return " ".join(run.output.rpartition("What became of it")[2].split())


def test_nobody_at_work_noticed(rotated) -> None:
    assert rotated["complaints"] == dict.fromkeys(rotated["complaints"], "")
    assert min(rotated["turns"].values()) >= 3


def test_the_run_says_what_it_replaced(rotated) -> None:
    told = said(rotated["run"])
    assert "New at the index: the passwords of ada, ci-acme-hello, leo, machines." in told
    assert "The index refuses the old ones." in told
    assert "New at the proxy: the logins of" in told and "the machines" in told
    assert "New tokens have the JupyterLabs of ada, leo." in told
    assert "The index has a new certificate." in told
    assert "Off" not in told


def test_the_old_index_passwords_are_refused(rotated, before, workstation: Host) -> None:
    for name in ("ada", "leo", "machines"):
        assert index_status(workstation, name, vault()[f"{name}_index"]) == 200
        assert index_status(workstation, name, before["vault"][f"{name}_index"]) == 401


def test_the_new_proxy_password_is_in_use(rotated, office: Office) -> None:
    """In a new shell; squid knows no other."""
    office.succeed_as("leo", "uv pip install -q --no-cache --target loop-public idna")


def test_the_old_token_is_refused_and_the_kernel_lives(rotated, before, jupyter: Host) -> None:
    new, old = tokens(jupyter)["ada"], before["tokens"]["ada"]
    assert jupyter_says(jupyter, old, "GET", "/api/kernels")[0] == 403
    status, kernels = jupyter_says(jupyter, new, "GET", "/api/kernels")
    assert (status, before["kernel"] in kernels) == (200, True)
    assert jupyter.check_output("systemctl show --value --property=MainPID jupyterlab@ada") == before["server"]


def test_the_old_ca_is_trusted_nowhere(rotated, before) -> None:
    line = before["ca"].splitlines()[5]
    for role in ("index", "jupyter", "workstation"):
        assert places(host_of(role), [line]) == ""
        assert line not in host_of(role).file("/etc/ssl/certs/ca-certificates.crt").content_string


@pytest.mark.parametrize("role", ["index", "jupyter", "workstation"])
def test_the_old_ones_are_in_no_file(rotated, before, role) -> None:
    old = [*before["vault"].values(), *before["tokens"].values(), *(line.split(":")[1] for line in before["hashes"])]
    assert places(host_of(role), old) == ""


def written() -> dict[str, str]:
    """Digests of all that a rotation writes."""
    command = (
        "find /etc/wheelhouse /srv/wheelhouse/config /home/*/.netrc /home/*/.pypirc /root/.netrc /etc/nginx -type f"
    )
    return {
        role: host_of(role).run(command + " -exec sha256sum {} + | sort").stdout
        for role in ("index", "jupyter", "workstation")
    }


def test_a_password_that_the_proxy_refuses_changes_nothing(rotated) -> None:
    """Ada's is wrong, and everybody's index password is new: nobody is given any of them."""
    good, before = vault(), written()
    write_vault(new_passwords("index") | {"ada_proxy": "not what the proxy knows"})
    try:
        run = site(playbook="rotate", check=False)
    finally:
        write_vault(good)
    assert run.rc != 0
    told = " ".join(run.output.split())
    assert "The proxy does not accept the password of ada." in told and "Nothing was changed" in told
    assert "not what the proxy knows" not in run.output
    assert all(len(digests) > 200 for digests in before.values())
    assert written() == before
