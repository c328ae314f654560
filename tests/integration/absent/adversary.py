"""Somebody who leaves and wants to stay: what they have running and lying about on the day before."""

from __future__ import annotations

import base64

from testinfra.host import Host

# Forks and ends all the time, in sessions of its own, deaf to what can be ignored. Slow enough to leave the tests' machine alone.
RESTLESS = """
import os, signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
if os.fork(): os._exit(0)
while True:
    if os.fork(): os._exit(0)
    os.setsid()
    time.sleep(0.002)
"""

# A file system in the home that never answers anything.
SILENT_MOUNT = """
import array, os, socket, subprocess, time
os.makedirs(os.path.expanduser("~/silent"), exist_ok=True)
ours, theirs = socket.socketpair()
environment = dict(os.environ, _FUSE_COMMFD=str(theirs.fileno()))
point = os.path.expanduser("~/silent")
subprocess.run(["fusermount3", "-o", "rw,nosuid,nodev", "--", point], env=environment, pass_fds=[theirs.fileno()], check=True)
_, ancillary, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(4))
if os.fork(): os._exit(0)
os.setsid()
time.sleep(100000)
"""

# Files for those who come after, links to what belongs to others, a tree too deep for a path, objects that outlive processes.
TRACES = """
import ctypes, os, pathlib
home = pathlib.Path.home()
for link, target in {"team": "/srv/team", "v": "/home/ada", ".wine/dosdevices/z:": "/"}.items():
    (home / link).parent.mkdir(parents=True, exist_ok=True)
    if not (home / link).is_symlink(): (home / link).symlink_to(target)
for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock"):
    os.chdir(place)
    with open("leo-secret", "w") as file: file.write("secret")
    os.mkdir("leo-tree")
    os.symlink("/srv/team", "leo-tree/team")
    os.symlink("/home/ada", "leo-link")
    os.mkfifo("leo-fifo")
os.chdir("/tmp/leo-tree")
for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
os.symlink("/", "root")
ctypes.CDLL(None).shmget(0, 4096, 0o1666)
"""

SHELL = """
set -e
echo '* * * * * touch /tmp/leo-cron' | crontab -
echo 'touch /tmp/leo-at' | at now + 1 minute 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -S /run/user/$(id -u)/systemd/private ] && break; sleep 1; done
export XDG_RUNTIME_DIR=/run/user/$(id -u)
mkdir -p ~/.config/systemd/user
printf '[Timer]\nOnCalendar=*:*:0/5\n[Install]\nWantedBy=timers.target\n' >~/.config/systemd/user/leo.timer
printf '[Service]\nExecStart=/usr/bin/touch /tmp/leo-timer\n' >~/.config/systemd/user/leo.service
systemctl --user daemon-reload && systemctl --user enable --now leo.timer 2>/dev/null
nohup setsid sleep 99999 >/dev/null 2>&1 &
"""


def digs_in(host: Host, name: str) -> bool:
    """Have `name` do all of it but run wild. Whether the machine lets them have a file system of their own, too."""
    host.check_output(
        "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends cron at fuse3 libpam-systemd dbus-user-session >/dev/null"
    )
    host.check_output("mkdir -p -m 1777 /srv/team && echo shared >/srv/team/plan && chmod 666 /srv/team/plan")
    has_fuse = bool(host.run("test -c /dev/fuse && chmod 666 /dev/fuse").rc == 0)
    run_as(host, name, TRACES)
    if has_fuse:
        run_as(host, name, SILENT_MOUNT)
    host.check_output(f"loginctl enable-linger {name}")  # with polkit, people may do that themselves
    host.check_output(f"su - {name} -c %s", SHELL)
    return has_fuse


def runs_wild(host: Host, name: str) -> None:
    """Have processes of `name` fork and end all the time. It costs the machine much, so this is the last thing before they leave."""
    for _ in range(6):
        run_as(host, name, RESTLESS, detached=True)


def run_as(host: Host, name: str, program: str, detached: bool = False) -> None:
    """A Python program as somebody; it neither is on a disk nor shows in a list of processes."""
    encoded = base64.b64encode(program.encode()).decode()
    command = f"python3 -c 'import base64; exec(base64.b64decode(\"{encoded}\"))' </dev/null >/dev/null 2>&1"
    host.check_output(f"su - {name} -c %s", f"setsid {command} &" if detached else command)
