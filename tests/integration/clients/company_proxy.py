"""The company's proxy as the tests of the relay want it: further ways in that can be closed, other passwords, NTLM."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from company import SUFFIX, eventually
from testinfra.host import Host

HERE = Path(__file__).parent
ACCOUNT = "EMEA\\svc-machines"
BASIC_PORT, NTLM_PORT = 3128, 3129  # squid listens there; its log has the port in the file's name

# A second squid. Its helper needs pyspnego, which the workstation has once px is installed there; until then it takes Basic.
SQUID = """
http_port {port}
pid_filename /run/squid-ntlm.pid
visible_hostname proxy.acme.example
auth_param {program}
acl authenticated proxy_auth REQUIRED
http_access allow authenticated
http_access deny all
access_log stdio:/var/log/squid/ntlm.log
cache_log /var/log/squid/ntlm-cache.log
cache_mem 8 MB
shutdown_lifetime 1 seconds
"""
BASIC = "basic program /usr/lib/squid/basic_ncsa_auth /etc/squid/passwords\nauth_param basic casesensitive on"
NTLM = (
    "ntlm program /usr/bin/env PYTHONPATH=/opt/ntlm NTLM_USER_FILE=/opt/ntlm/users /usr/bin/python3 /opt/ntlm/helper.py"
    "\nauth_param ntlm children 8 startup=1"
)

# Sends a line each 50 ms until /run/enough is there, whether it is asked by GET or through a tunnel.
TRICKLE = r"""
import os, socketserver, time
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while not os.path.exists("/run/enough"):
            self.wfile.write(b"going on\n")
            self.wfile.flush()
            time.sleep(0.05)
        self.wfile.write(b"complete\n")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
Server(("", 443), Handler).serve_forever()
"""


class CompanyProxy:
    """Squid on its host, and what is started beside it for a test."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.started: list[str] = []

    def start(self, unit: str, *command: str) -> None:
        """Run `command` as a service that `close` stops."""
        self.host.run("systemctl reset-failed %s", unit)
        self.host.check_output("systemd-run --quiet --unit=%s " + "%s " * len(command), unit, *command)
        self.started.append(unit)

    def open_way(self, port: int, to: int) -> None:
        """A way to squid's port `to` that can be closed; squid sees it come from its own host."""
        self.host.run(f"systemctl stop way-{port}.socket way-{port}.service")
        self.host.check_output(
            f"systemd-run --quiet --unit=way-{port} --socket-property=ListenStream={port} "
            f"/usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:{to}"
        )
        self.started += [f"way-{port}.socket", f"way-{port}.service"]

    def close_way(self, port: int) -> None:
        """Nobody answers there any more."""
        self.host.check_output(f"systemctl stop way-{port}.socket way-{port}.service")

    def accept(self, password: str, account: str = ACCOUNT) -> None:
        """The account's password at squid is `password` from now on; squid may take one that it remembers for a while."""
        script = """
import re, subprocess, sys
account, password = sys.stdin.read().split("\\n")
hashed = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True)
lines = [line for line in open("/etc/squid/passwords", encoding="utf-8") if not line.startswith(account + ":")]
open("/etc/squid/passwords", "w").writelines([account + ":" + hashed.stdout, *lines])
"""
        self._python(script, f"{account}\n{password}")

    def forget(self) -> None:
        """Squid takes nothing any more but what is in its file; what goes through it ends."""
        self.host.check_output("systemctl restart squid")
        eventually(lambda: self.host.run(f"ss -Hltn sport = :{BASIC_PORT}").stdout != "", "squid listens again", 30)

    def accept_by_ntlm(self, password: str) -> None:
        """The account's password at the second squid, which asks its helper each time."""
        script = """
import sys; sys.path.insert(0, "/opt/ntlm")
from spnego._ntlm_raw.crypto import ntowfv1
account, password = sys.stdin.read().split("\\n")
open("/opt/ntlm/users", "w").write(f"{account}:1:{'0' * 32}:{ntowfv1(password).hex().upper()}:[U]:LCT-1\\n")
"""
        self._python(script, f"{ACCOUNT}\n{password}")

    def start_second(self, program: str) -> None:
        """The second squid runs, with BASIC or NTLM."""
        self._python(
            "import sys; open('/etc/squid/ntlm.conf', 'w').write(sys.stdin.read())",
            SQUID.format(port=NTLM_PORT, program=program),
        )
        self.host.run("systemctl stop squid-ntlm")
        self.host.run("rm -f /var/log/squid/ntlm.log")
        self.start("squid-ntlm", "/usr/sbin/squid", "-n", "ntlm", "--foreground", "-f", "/etc/squid/ntlm.conf")
        eventually(lambda: self.host.run(f"ss -Hltn sport = :{NTLM_PORT}").stdout != "", "the second squid", 30)

    def bring_helper(self, workstation: str = f"wheelhouse-workstation{SUFFIX}") -> None:
        """The NTLM helper, with the pyspnego that px brought to the workstation."""
        packages = "cd /opt/wheelhouse/relay/lib/python3*/site-packages && tar c spnego cryptography *cffi* pycparser"
        archive = subprocess.run(["docker", "exec", workstation, "sh", "-c", packages], capture_output=True, check=True)
        unpack = [
            "docker",
            "exec",
            "-i",
            self.host.backend.name,
            "sh",
            "-c",
            "mkdir -p /opt/ntlm && tar x -C /opt/ntlm",
        ]
        subprocess.run(unpack, input=archive.stdout, check=True)
        self._python(
            "import sys; open('/opt/ntlm/helper.py', 'w').write(sys.stdin.read())",
            (HERE / "ntlm_helper.py").read_text(),
        )
        self.host.check_output("chmod -R a+rX /opt/ntlm")

    def start_trickle(self) -> None:
        """A server outside from which a download takes as long as it is wanted."""
        self.start("trickle", "python3", "-c", TRICKLE)
        eventually(lambda: self.host.run("ss -Hltn sport = :443").stdout != "", "the slow server", 30)

    def requests(self, log: str = "access") -> list[str]:
        """The lines of squid's log, `access` or `ntlm`."""
        return str(self.host.file(f"/var/log/squid/{log}.log").content_string).splitlines()

    def close(self) -> None:
        """All that was started ends."""
        for unit in self.started:
            self.host.run(f"systemctl stop {unit}")
        self.host.run("rm -rf /opt/ntlm /etc/squid/ntlm.conf /run/enough")

    def _python(self, script: str, given: str) -> None:
        command = ["docker", "exec", "-i", self.host.backend.name, "python3", "-c", script]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def as_extra(directory: Path, **variables: object) -> str:
    """`variables` as an argument of ansible-playbook that keeps them off its command line."""
    file = directory / "extra.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(variables))
    return f"@{file}"
