"""SSH to the Jupyter host lets people do what they need there, and is no way to other machines."""

from __future__ import annotations

import pytest
from kernels import script

HOST = "wheelhouse-jupyter"
# what the host's SSH server is, seen through a forwarded port
GREETING = """
import socket, subprocess, sys, time
way = subprocess.Popen(["ssh", "-N", "-o", "ExitOnForwardFailure=no", "-L", "127.0.0.1:5522:127.0.0.1:22", sys.argv[1]])
try:
    for _ in range(50):
        time.sleep(0.2)
        try:
            print(socket.create_connection(("127.0.0.1", 5522), timeout=5).recv(8))
            break
        except ConnectionRefusedError:
            pass
finally:
    way.kill()
"""


def settings_of(jupyter, name: str) -> dict[str, str]:
    """What the server allows somebody."""
    said = jupyter.check_output("/usr/sbin/sshd -T -C user=%s,host=x,addr=192.0.2.1", name)
    return dict(line.split(" ", 1) for line in said.splitlines() if " " in line)


def test_a_shell_and_a_command_work(office) -> None:
    assert office.succeed_as("ada", f"ssh {HOST} id -un") == "ada\n"
    assert "/dev/pts/" in office.run_as("ada", f"ssh -tt {HOST} tty </dev/null").stdout


@pytest.mark.parametrize(
    "command",
    [
        f"ssh -o BatchMode=yes -W wheelhouse-index:443 {HOST} </dev/null",
        f"ssh -o BatchMode=yes -W 127.0.0.1:22 {HOST} </dev/null",
        f"ssh -o BatchMode=yes -J {HOST} wheelhouse-index true",
        f"timeout 20 ssh -N -o ExitOnForwardFailure=yes -R 127.0.0.1:5523:127.0.0.1:22 {HOST}",
        f"timeout 20 ssh -N -o ExitOnForwardFailure=yes -R /tmp/back:/tmp/none {HOST}",
        f"ssh -o Tunnel=yes -o ExitOnForwardFailure=yes -w any:any {HOST} true",
    ],
)
def test_a_key_leads_no_further(office, command: str) -> None:
    refused = office.run_as("ada", command)
    assert refused.rc not in (0, 124), refused.stdout + refused.stderr


def test_a_forwarded_port_leads_nowhere(office) -> None:
    assert "SSH-" not in office.run_as("ada", script(GREETING, HOST)).stdout


def test_neither_agents_nor_windows_nor_passwords(office, jupyter) -> None:
    agent = f"eval $(ssh-agent) >/dev/null; ssh -A {HOST} 'echo [$SSH_AUTH_SOCK]'; kill $SSH_AGENT_PID"
    assert office.succeed_as("ada", agent) == "[]\n"
    assert office.succeed_as("ada", f"DISPLAY=:1 ssh -X {HOST} 'echo [$DISPLAY]' 2>/dev/null") == "[]\n"
    password = office.run_as(
        "ada", f"ssh -v -o PreferredAuthentications=password,keyboard-interactive {HOST} true </dev/null"
    )
    assert "can continue: publickey\n" in password.stderr.replace("\r", ""), password.stderr
    # the own settings of a person give them nothing back
    ada = settings_of(jupyter, "ada")
    assert (ada["allowtcpforwarding"], ada["allowstreamlocalforwarding"]) == ("local", "local")
    assert all("ada" in place for place in ada["permitopen"].split()), "a socket of her own, and no port"
    assert (ada["x11forwarding"], ada["allowagentforwarding"], ada["permituserenvironment"]) == ("no", "no", "no")


def test_ones_own_key_leads_no_further_either(office) -> None:
    """Those in ~/.ssh/authorized_keys have no options; the server has the last word."""
    office.succeed_as("ada", "rm -f own own.pub; ssh-keygen -q -t ed25519 -N '' -f own")
    key = office.succeed_as("ada", "cat own.pub").strip()
    office.succeed_as(
        "ada",
        f"mkdir -p .ssh && cp -p .ssh/authorized_keys kept 2>/dev/null; echo '{key}' >>.ssh/authorized_keys",
        on="jupyter",
    )
    try:
        mine = "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -i own"
        address = office.succeed_as("ada", f"ssh -G {HOST} | sed -n 's/^hostname //p'").strip()
        assert office.succeed_as("ada", f"{mine} {address} id -un") == "ada\n"
        assert office.run_as("ada", f"{mine} -W 127.0.0.1:22 {address} </dev/null").rc != 0
    finally:
        office.succeed_as("ada", "rm own own.pub")
        office.succeed_as("ada", "mv kept .ssh/authorized_keys 2>/dev/null || rm .ssh/authorized_keys", on="jupyter")


def test_its_own_accounts_are_left_alone(jupyter) -> None:
    root = settings_of(jupyter, "root")
    assert (root["allowtcpforwarding"], root["allowagentforwarding"], root["passwordauthentication"]) == (
        "yes",
        "yes",
        "yes",
    )
