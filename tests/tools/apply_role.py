"""Apply one role to the hosts of the demo that site.yml gives it to.

    python tests/tools/apply_role.py ROLE [ARGUMENT ...]

Checks the inventory, and runs the plays of site.yml that apply the role, without the other roles and tasks in them.
Further arguments go to ansible-playbook: --check, --diff, -v … The playbook is in .demo/role.yml afterwards.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "wheelhouse.onboarding."
IMPORT = "ansible.builtin.import_playbook"
INCLUDES = ("ansible.builtin.import_role", "ansible.builtin.include_role")
SECTIONS = ("pre_tasks", "roles", "tasks", "post_tasks")

Play = dict[str, Any]


def plays(playbook: Path) -> Iterator[Play]:
    """The plays of a playbook and of those that it imports, in their order, with the variables of the import."""
    for play in yaml.safe_load(playbook.read_text(encoding="utf-8")):
        if IMPORT not in play:
            yield play
            continue
        name = play[IMPORT]
        imported = playbook.parent / name
        if name.startswith(COLLECTION):
            imported = ROOT / "playbooks" / f"{name.removeprefix(COLLECTION)}.yml"
        for one in plays(imported):
            yield one | {"vars": one.get("vars", {}) | play.get("vars", {})}


def role_of(entry: Any) -> str:
    """The role that an entry of `roles` or a task applies as a whole; "" for other tasks, and for a part of a role."""
    if isinstance(entry, str):
        return entry.removeprefix(COLLECTION)
    applied = next((entry[key] for key in INCLUDES if key in entry), {"name": entry.get("role", "")})
    return "" if "tasks_from" in applied else str(applied["name"]).removeprefix(COLLECTION)


def only(role: str, entries: list[Any]) -> list[Any]:
    """What applies the role, also in blocks."""
    kept = []
    for entry in entries:
        if isinstance(entry, dict) and "block" in entry:
            if block := only(role, entry["block"]):
                kept.append(entry | {"block": block})
        elif role_of(entry) == role:
            kept.append(entry)
    return kept


def plays_of(role: str) -> list[Play]:
    """The plays of site.yml with nothing but this role in them."""
    found = []
    for play in plays(ROOT / "site.yml"):
        sections = {section: only(role, play[section]) for section in SECTIONS if section in play}
        if any(sections.values()):
            # Facts are gathered in each: in site.yml, an earlier play may have done that.
            rest = {key: value for key, value in play.items() if key not in (*SECTIONS, "gather_facts")}
            found.append(rest | {section: entries for section, entries in sections.items() if entries})
    return found


def main() -> int:
    """Write the playbook and run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", nargs="?", default="")
    options, arguments = parser.parse_known_args()
    roles = [path.parent.name for path in sorted(ROOT.glob("roles/*/tasks")) if plays_of(path.parent.name)]
    if options.role not in roles:
        print(f"site.yml has no role {options.role!r}. Name one of: {', '.join(roles)}.", file=sys.stderr)
        return 2
    name = os.environ.get("WHEELHOUSE_DEMO")
    state = ROOT / (f".demo-{name}" if name else ".demo")
    if not (state / "images.json").is_file():
        print(f"There is no demo in {state.name}. Start one: make demo", file=sys.stderr)
        return 2
    check = {"name": "Check the inventory", IMPORT: f"{COLLECTION}preflight"}
    playbook = state / "role.yml"
    playbook.write_text(yaml.safe_dump([check, *plays_of(options.role)], sort_keys=False), encoding="utf-8")
    command = ["ansible-playbook", "-i", "inventories/demo", str(playbook), *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
