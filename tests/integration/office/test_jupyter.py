"""JupyterLab on the Jupyter host, opened from the workstation by its people, and closed to everybody else."""

from __future__ import annotations

import ipaddress
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from company import eventually
from kernels import STATUS, run_cells, script

PEOPLE = ["ada", "leo"]
PUBLIC = "toolz"

# A wheel with one module, written without a build tool.
WRITE_WHEEL = """
import base64, hashlib, sys, zipfile
name, version = sys.argv[1:]
info = f"{name}-{version}.dist-info"
files = {
    f"{name}.py": f"VERSION = {version!r}\\n",
    f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {name.replace('_', '-')}\\nVersion: {version}\\n",
    f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
}
def record(path):
    digest = base64.urlsafe_b64encode(hashlib.sha256(files[path].encode()).digest()).decode().rstrip("=")
    return f"{path},sha256={digest},{len(files[path])}\\n"
files[f"{info}/RECORD"] = "".join(map(record, list(files))) + f"{info}/RECORD,,\\n"
with zipfile.ZipFile(f"{name}-{version}-py3-none-any.whl", "w") as wheel:
    for path, text in files.items():
        wheel.writestr(path, text)
"""


def journal(jupyter, name: str) -> str:
    return jupyter.run("journalctl --no-pager --output=cat --unit=jupyterlab@%s.service", name).stdout


def token_of(jupyter, name: str) -> str:
    return jupyter.file(f"/etc/wheelhouse/jupyter/tokens/{name}").content_string.strip()


def own_address(office, name: str) -> str:
    """A person's own loopback address on the workstation, made of the number of their account."""
    number = int(office.succeed_as(name, "id -u"))
    return str(ipaddress.ip_address("127.64.0.0") + number)


def open_tunnel(office, name: str) -> str:
    return office.succeed_as(name, "jupyter-tunnel --no-browser")


@pytest.mark.proof
@pytest.mark.parametrize("name", PEOPLE)
def test_the_page_answers_with_the_token_and_not_without(office, name) -> None:
    printed = open_tunnel(office, name)
    assert printed.count("\n") == 1, "the address is the only line"
    address = urlsplit(printed.strip())
    assert address.hostname == own_address(office, name)

    def status(page: str) -> tuple[int, str]:
        code, place = office.succeed_as(name, script(STATUS, address.netloc, page)).split()
        return int(code), place

    assert status(f"{address.path}?{address.query}")[0] == 200
    code, place = status(address.path)
    assert code == 302 and "/login" in place
    for token in ["", "0" * 64]:
        assert status(f"/api/contents?token={token}")[0] == 403


def test_nobody_gets_in_with_another_ones_token(office) -> None:
    at = {name: urlsplit(open_tunnel(office, name).strip()) for name in PEOPLE}
    assert at["ada"].netloc != at["leo"].netloc
    fetch = script(STATUS, at["ada"].netloc, f"/api/contents?{at['leo'].query}")
    # from where one gets as far as the page: as Ada herself
    assert office.succeed_as("ada", fetch).split()[0] == "403"
    assert office.run_as("leo", fetch).rc != 0


@pytest.mark.parametrize("name", PEOPLE)
def test_a_notebook_installs_and_imports_a_public_package(office, name) -> None:
    said = run_cells(
        office,
        name,
        f"%pip uninstall -y {PUBLIC}",
        f"%pip install --no-cache-dir {PUBLIC}",
        f"import {PUBLIC}; print({PUBLIC}.__file__)",
    )
    assert f"/home/{name}/.venvs/jupyter/lib/" in said.splitlines()[-1], said
    # and it is still there for the next notebook
    assert f"/home/{name}/.venvs/jupyter/lib/" in run_cells(office, name, f"import {PUBLIC}; print({PUBLIC}.__file__)")


@pytest.mark.parametrize(
    "install",
    [
        pytest.param("%pip install --no-cache-dir", marks=pytest.mark.proof),
        "!pip install --no-cache-dir",
        "!uv pip install --no-cache",
    ],
)
def test_a_notebook_installs_and_imports_an_internal_package(office, install) -> None:
    module, version = "acme_notebook", f"1.{time.time_ns()}"
    wheel = f"{module}-{version}-py3-none-any.whl"
    write = script(WRITE_WHEEL, module, version)
    office.publish_as("ada", f"mkdir -p work/notebook && cd work/notebook && {write} && uv publish {wheel}")
    said = run_cells(office, "leo", f"{install} acme-notebook=={version}", f"import {module}; print({module}.VERSION)")
    assert said.splitlines()[-1] == version, said


def test_a_notebook_sees_no_more_of_the_host_than_it_needs(office) -> None:
    said = run_cells(
        office,
        "ada",
        "import os, pathlib\nprint(os.listdir('/home'))",
        "for place in ('/etc', '/opt/wheelhouse/jupyter', '/var/tmp/..', '/usr/local/bin'):\n"
        "    try:\n        pathlib.Path(place, 'x').write_text('x'); print('wrote', place)\n"
        "    except OSError as exc:\n        print('refused', place)",
        "print({pathlib.Path(p).owner() for p in map('/proc/{}'.format, filter(str.isdigit, os.listdir('/proc')))})",
        "print([line for line in open('/proc/self/status') if line.startswith(('NoNewPrivs', 'CapBnd'))])",
    ).splitlines()
    assert said[0] == "['ada']"
    assert {line.split()[0] for line in said[1:5]} == {"refused"}
    assert said[5] == "{'ada'}"
    assert "NoNewPrivs:\\t1" in said[6] and "CapBnd:\\t0000000000000000" in said[6]


def test_nothing_but_ssh_listens_on_a_port(office, jupyter) -> None:
    # while kernels run, too: they use unix sockets
    run_cells(office, "ada", "import socket")
    listening = jupyter.run("ss --no-header --listening --tcp --udp --processes --numeric").stdout.splitlines()
    # Docker answers for names at 127.0.0.11, from outside the container; monitoring's exporter answers this host alone
    known = re.compile(r"sshd|127\.0\.0\.11:|127\.0\.0\.1:9100 ")
    assert [line for line in listening if not known.search(line)] == []


def test_nobody_reaches_another_ones_server(office, jupyter) -> None:
    assert jupyter.run("test -S /run/jupyter-ada/jupyter.sock").rc == 0
    connect = script("import socket; socket.socket(socket.AF_UNIX).connect('/run/jupyter-ada/jupyter.sock')")
    assert office.run_as("ada", connect, on="jupyter").rc == 0
    for command in [
        connect,
        "cat /etc/wheelhouse/jupyter/tokens/ada",
        "ls /run/jupyter-ada",
        "ls ~ada",
        "mv /etc/wheelhouse/jupyter/tokens/ada /tmp/",
    ]:
        result = office.run_as("leo", command, on="jupyter")
        assert result.rc != 0 and "Permission denied" in result.stderr, f"{command}: {result.stderr}"


def test_tokens_are_for_their_owners_eyes(office, jupyter, workstation) -> None:
    """In a file of theirs, and in no process's arguments, no unit and no log; on the workstation in no file at all."""
    for name in PEOPLE:
        open_tunnel(office, name)
        token = token_of(jupyter, name)
        assert len(token) == 64
        file = jupyter.file(f"/etc/wheelhouse/jupyter/tokens/{name}")
        assert (file.user, file.mode) == (name, 0o600)
        assert token not in journal(jupyter, name)
        assert token not in jupyter.run("systemctl show jupyterlab@%s.service", name).stdout
        for host in (jupyter, workstation):
            everything = host.run("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ").stdout
            assert "sshd" in everything or "ssh" in everything
            assert token not in everything
        found = workstation.run(
            "grep --recursive --files-with-matches --no-messages %s /tmp /var/tmp /run /home", token
        )
        assert found.stdout == ""


def test_the_token_stays(office, jupyter) -> None:
    before = parse_qs(urlsplit(open_tunnel(office, "leo").strip()).query)["token"]
    jupyter.check_output("systemctl restart jupyterlab@leo.service")
    assert before == [token_of(jupyter, "leo")]
    assert parse_qs(urlsplit(open_tunnel(office, "leo").strip()).query)["token"] == before


def test_a_killed_server_comes_back_and_leaves_the_others_alone(office, jupyter) -> None:
    def main_process(name: str) -> str:
        return jupyter.run("systemctl show --property=MainPID --value jupyterlab@%s.service", name).stdout.strip()

    ada, leo = main_process("ada"), main_process("leo")
    assert jupyter.run("kill -KILL %s", ada).rc == 0
    eventually(lambda: main_process("ada") not in {ada, "0"}, journal(jupyter, "ada"))
    assert office.run_as("ada", "jupyter-tunnel --no-browser").rc == 0
    assert main_process("leo") == leo


def test_the_tunnel_says_how_it_is(office) -> None:
    address = urlsplit(open_tunnel(office, "ada").strip())
    port = address.port
    status = office.run_as("ada", "jupyter-tunnel --status")
    assert status.rc == 0 and f"http://{address.netloc}/" in status.stdout and "answers" in status.stdout
    assert status.stdout.endswith("\n")
    assert office.run_as("ada", "jupyter-tunnel --stop").rc == 0
    assert office.run_as("ada", "jupyter-tunnel --status").rc == 3
    assert urlsplit(open_tunnel(office, "ada").strip()).port == port, "the address stays the same"


def test_the_tunnel_says_what_is_wrong(office, jupyter, workstation) -> None:
    office.succeed_as("ada", "jupyter-tunnel --stop")
    known, another = "/etc/ssh/wheelhouse_known_hosts", "s/(ssh-ed25519 .{30})....../\\1xxxxxx/"

    def says(code: int, *words: str) -> None:
        result = office.run_as("ada", "jupyter-tunnel --no-browser --wait 5")
        assert (result.rc, result.stdout) == (code, ""), result.stderr
        assert "Traceback" not in result.stderr
        assert [word for word in words if word not in result.stderr] == [], result.stderr

    stop, start = "systemctl stop %s", "systemctl start %s"
    jupyter.check_output("systemctl stop jupyterlab@ada.socket jupyterlab@ada.service")
    try:
        says(7, "inactive")
    finally:
        jupyter.check_output(start, "jupyterlab@ada.socket")
        office.succeed_as("ada", "jupyter-tunnel --stop")

    jupyter.check_output(
        "mv ~ada/.venvs ~ada/.venvs.kept && touch ~ada/.venvs && systemctl stop jupyterlab@ada.service"
    )
    try:
        says(7, "The last lines of its log:", "The virtualenv /home/ada/.venvs/jupyter cannot be made: Not a directory")
    finally:
        jupyter.check_output("rm ~ada/.venvs && mv ~ada/.venvs.kept ~ada/.venvs")
        office.succeed_as("ada", "jupyter-tunnel --stop")

    workstation.check_output("cp %s %s.kept && sed -i -E %s %s", known, known, another, known)
    try:
        says(6, "another host key", "wheelhouse-jupyter")
    finally:
        workstation.check_output("mv %s.kept %s", known, known)

    office.succeed_as("ada", "mv ~/.ssh/id_ed25519 ~/.ssh/kept")
    try:
        says(5, "does not accept your SSH key")
    finally:
        office.succeed_as("ada", "mv ~/.ssh/kept ~/.ssh/id_ed25519")

    jupyter.check_output(stop, "ssh.service")
    try:
        says(4, "does not answer")
    finally:
        jupyter.check_output(start, "ssh.service")
    open_tunnel(office, "ada")


def test_a_taken_port_is_no_hindrance(office, workstation) -> None:
    port = urlsplit(open_tunnel(office, "leo").strip()).port
    office.succeed_as("leo", "jupyter-tunnel --stop")
    squat = f"import socket, time; s = socket.socket(); s.bind(('0.0.0.0', {port})); s.listen(); time.sleep(60)"
    office.succeed_as("ada", f"{script(squat)} >/dev/null 2>&1 & echo $! >squatter; sleep 0.5")
    try:
        assert urlsplit(open_tunnel(office, "leo").strip()).port != port
    finally:
        office.succeed_as("ada", "kill $(cat squatter); rm squatter")
    office.succeed_as("leo", "jupyter-tunnel --stop")
    assert urlsplit(open_tunnel(office, "leo").strip()).port == port, "the usual one again"
