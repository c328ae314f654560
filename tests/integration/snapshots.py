"""What is on a host, so that before and after can be compared."""

from __future__ import annotations

import json

from testinfra.host import Host

# Runs on the host. Left out: what changes by itself, what a package manager keeps, what Ansible leaves for its next task.
LOOK = r"""
import json, os, stat
skipped = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var/log", "/var/cache", "/var/lib/apt", "/var/lib/dpkg", "/var/lib/systemd",
           "/var/lib/docker", "/var/lib/containerd", "/var/tmp", "/root/.ansible", "/etc/machine-id", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf",
           "/etc/mtab", "/.dockerenv")
found = {}
for top, directories, files in os.walk("/"):
    directories[:] = [d for d in directories if os.path.join(top, d) not in skipped and d != "__pycache__"]
    for name in directories + files:
        path = os.path.join(top, name)
        if path in skipped:
            continue
        s = os.lstat(path)
        content = os.readlink(path) if stat.S_ISLNK(s.st_mode) else s.st_size if stat.S_ISREG(s.st_mode) else None
        found[path] = [oct(s.st_mode), s.st_uid, s.st_gid, content]
print(json.dumps(found))
"""

Snapshot = dict[str, list[object]]  # {path: [mode, uid, gid, size or link target]}


def snapshot(host: Host) -> Snapshot:
    """Everything on `host` that somebody put there."""
    found: Snapshot = json.loads(host.check_output("python3 -c %s", LOOK))
    return found


def difference(before: Snapshot, after: Snapshot) -> dict[str, tuple[list[object] | None, list[object] | None]]:
    """{path: (before, after)} of what is not the same, None where there is nothing."""
    return {
        path: (before.get(path), after.get(path))
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    }
