"""The shelf on the index host, as its administrator sees it."""

from __future__ import annotations

import base64
import json
from typing import Any

from company import eventually
from testinfra.host import Host

PLACE = "/srv/wheelhouse/shelf"

# Runs on the index host. Left out is what any request may touch: the state, locks, when somebody last looked, and the
# directories that the store's keys are spread over.
LOOK = r"""
import hashlib, json, os, sys
found = {}
for top, directories, files in os.walk(sys.argv[1]):
    directories[:] = sorted(d for d in directories if os.path.join(top, d) not in (sys.argv[1] + "/locks", sys.argv[1] + "/state"))
    for name in directories + files:
        path = os.path.join(top, name)
        if path == sys.argv[1] + "/last-look" or name in directories and top == sys.argv[1] + "/blobs":
            continue
        s = os.lstat(path)
        content = None if name in directories else [s.st_mtime_ns, hashlib.sha256(open(path, "rb").read()).hexdigest()]
        found[path] = [oct(s.st_mode), s.st_uid, s.st_gid, content]
print(json.dumps(found))
"""


class Shelf:
    """The files of the shelf, and the program's command line."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def run(self, *arguments: str, check: bool = True) -> str:
        """`wheelhouse` in the container; what it says."""
        words = ["docker", "exec", "wheelhouse-index", "wheelhouse", *arguments]
        result = self.host.run(" ".join(["%s"] * len(words)), *words)
        assert result.rc == 0 or not check, f"wheelhouse {' '.join(arguments)}: {result.stdout}{result.stderr}"
        return str(result.stdout + result.stderr)

    def snapshot(self) -> dict[str, list[object]]:
        """{path: [mode, uid, gid, [time, hash]]} of everything but the state."""
        return dict(json.loads(self.host.check_output("python3 -c %s %s", LOOK, PLACE)))

    def journal(self) -> list[dict[str, Any]]:
        """Every event, oldest first."""
        return [json.loads(line) for line in self.run("journal", "--json").splitlines()]

    def put(self, path: str, content: bytes, mode: str = "0644") -> None:
        """Write a file on the shelf as root does who copies it in: with its directory, under another name first."""
        target = f"{PLACE}/{path}"
        directory, _, name = target.rpartition("/")
        self.host.check_output(
            "mkdir -p %s && printf %%s %s | base64 -d >%s && chmod %s %s && mv %s %s",
            directory,
            base64.b64encode(content).decode(),
            f"{directory}/.{name}.copying",
            mode,
            f"{directory}/.{name}.copying",
            f"{directory}/.{name}.copying",
            target,
        )


def wait_for_the_intake(index: Host) -> None:
    """What site.yml begins for a new list, and does not wait for, would change the shelf while a test looks at it."""
    activity = "systemctl is-active wheelhouse-intake"
    eventually(lambda: index.run(activity).stdout.strip() != "activating", "public packages are brought in", 300)
