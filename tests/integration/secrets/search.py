"""Where a secret may turn up, and how it may be spelled there."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from company import host_of

HOSTS = ("index", "jupyter", "workstation")
COMMAND_LINES = "/run/command-lines"
PLACES = "/etc /home /opt/wheelhouse/*/ /root /run /srv /tmp /usr/local /var/backups /var/lib/wheelhouse /var/tmp"

# Runs on the hosts during the run: remembers the command lines of all processes, since most live for milliseconds.
WATCH = r"""
import glob, os, time
seen = set()
out = open("/run/command-lines", "w")
while not os.path.exists("/run/stop-watching"):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            line = open(path, "rb").read()
        except OSError:
            continue
        if line not in seen:
            seen.add(line)
            out.write(line.replace(b"\0", b" ").decode(errors="replace") + "\n")
            out.flush()
    time.sleep(0.005)
"""

# Files anybody may read, below directories anybody may enter.
READABLE = r"""
import json, os, stat, sys
needles = {name: [n.encode() for n in forms] for name, forms in json.load(sys.stdin).items()}
skipped = ("/proc", "/sys", "/dev", "/usr/share", "/usr/lib", "/var/lib/docker", "/var/lib/containerd", "/opt/wheelhouse")
found = []
for top, directories, files in os.walk("/"):
    directories[:] = [d for d in directories if os.path.join(top, d) not in skipped and os.lstat(os.path.join(top, d)).st_mode & stat.S_IXOTH]
    for name in files:
        path = os.path.join(top, name)
        s = os.lstat(path)
        if stat.S_ISREG(s.st_mode) and s.st_mode & stat.S_IROTH and s.st_size < 20_000_000:
            content = open(path, "rb").read()
            found += [[path, secret] for secret, forms in needles.items() if any(form in content for form in forms)]
print(json.dumps(found))
"""


def forms(secret: str, user: str = "") -> list[str]:
    """How a secret may be spelled: plain, in a URL, in a JSON or Python string, in an Authorization header."""
    spelled = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    spelled.add(base64.b64encode(f"{user}:{secret}".encode()).decode())
    return sorted(spelled)


def found_in(text: str, secrets: dict[str, list[str]]) -> list[str]:
    """Names of the secrets that a text holds in one of their forms."""
    return [name for name, spelled in secrets.items() if any(form in text for form in spelled)]


def files_with(role: str, spelled: list[str]) -> str:
    """Files of a host in which one of these is."""
    search = f"printf %%s %s | grep -rlF --devices=skip --file=- {PLACES}"
    return str(host_of(role).run(search, "\n".join(spelled)).stdout)


def readable_with(role: str, secrets: dict[str, list[str]]) -> list[list[str]]:
    """(path, name of a secret), for each file that anybody on the host may read and that holds it."""
    command = ["docker", "exec", "-i", host_of(role).backend.name, "python3", "-c", READABLE]
    done = subprocess.run(command, input=json.dumps(secrets), text=True, check=True, capture_output=True)
    found: list[list[str]] = json.loads(done.stdout)
    return found


@contextmanager
def command_lines_watched() -> Iterator[None]:
    """Meanwhile, each host writes down the command lines of its processes."""
    for role in HOSTS:
        host = host_of(role)
        host.check_output("rm -f /run/stop-watching")
        subprocess.run(["docker", "exec", "-d", host.backend.name, "python3", "-c", WATCH], check=True)
    try:
        yield
    finally:
        for role in HOSTS:
            host_of(role).check_output("touch /run/stop-watching")
