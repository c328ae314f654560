"""Set up a directory (slapd) on the index host of the benchmark, and have the index ask it.

    python tests/bench/directory.py STATE_DIRECTORY

Run after site.yml and before the benchmark, which finds the login of one of the directory's people in
STATE_DIRECTORY/directory-login. The directory is the one of the tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests" / "unit")]
from company import host_of  # noqa: E402
from directory_server import SETTINGS, Directory  # noqa: E402
from index.slapd import PASSWORD  # noqa: E402

PERSON = "p1"
"""Of the directory's group of those who may install."""
RUN = ("ansible-playbook", "-i", "inventories/demo", "--limit", "proxy_hosts,index_hosts", "site.yml")


def main() -> None:
    """Set it up."""
    state = Path(sys.argv[1])
    directory = Directory(host_of("index"))
    directory.install()
    directory.start()
    settings, login = state / "directory.json", state / "directory-login"
    for file, content in (
        (settings, json.dumps({"wheelhouse_ldap": {**SETTINGS, "groups": [{"name": "python-users"}]}})),
        (login, f"{PERSON} {PASSWORD}\n"),
    ):
        file.touch(mode=0o600)
        file.write_text(content, encoding="utf-8")
    subprocess.run([*RUN, "-e", f"@{settings}"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
