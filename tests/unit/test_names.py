"""Names of plays and tasks: what Ansible does, as an imperative, in words that a newcomer knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
VERBS = set(
    re.findall(
        r"\w+",
        """
Accept Add Allow Apply Ask Assert Back Block Build Calculate Call Change Check Choose Clean Clear Close
Collect Compare Compile Compute Configure Confirm Connect Copy Count Create Decide Define Delete Detect
Determine Disable Download Drop Enable End Enroll Ensure Export Extract Fail Fetch Find Flush Forget Format Gather
Generate Get Give Grant Hash Import Include Index Initialize Install Issue Join Keep Kill Limit Link List
Listen Load Lock Look Make Mark Merge Migrate Mirror Mount Move Note Offboard Open Override Pack Parse Point
Prepare Print Promote Provide Prune Publish Pull Put Raise Read Rebuild Record Refuse Register Reject Release Reload
Remember Remove Rename Render Renew Repair Replace Report Request Require Reset Resolve Restart Restore Retry
Return Revoke Roll Rotate Run Save Schedule Search Select Send Set Show Sign Skip Start Stop Store Switch
Synchronize Tag Terminate Test Trust Try Uninstall Unlock Unpack Update Upgrade Use Validate Verify Wait Work
Write
""",
    )
)
# What readers stumbled over, and what to write: a name of a person or a thing, and the field's word.
HABITS = {
    r"\b(?:tell|tells|told)\b": "report, show",
    r"\banew\b": "again, new",
    r"\blest\b": "so that ... not",
    r"\bof (?:now|before)\b": "current, previous",
    r"(?<!as )\bbefore$": "previous, superseded",
    r"(?<!people )(?<!person )\bwho (?:left|leaves|leave|came|comes|goes|go|moved|has|have|is|are|may)\b": "the person",
    r"\bleavers?\b": "removed users, offboarded people",
    r"\b(?:nobody|somebody|everybody)\b": "no one, a person, all users",
    r"\b(?:let|lets) (?:\w+ )?(?:in|out)\b": "admit, import, allow",
    r"\bbr(?:ing|ought) in\b": "import",
    r"\bkept back\b": "rejected, quarantined",
    r"\bsay(?:s)?\b": "report",
    r"\bshel(?:f|ves)\b": "repository, package directory",
    r"\bway out\b": "proxy",
    r"\bgoodbye\b": "offboard",
}


class Loader(yaml.SafeLoader):
    """YAML as Ansible reads it, its tags (!unsafe, !vault) taken for their text."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def names_in(node: object) -> Iterator[str]:
    """The names of plays, blocks, tasks and handlers."""
    for entry in node if isinstance(node, list) else []:
        if isinstance(entry, dict):
            if isinstance(entry.get("name"), str):
                yield entry["name"]
            for part in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
                yield from names_in(entry.get(part))


def files_of(place: str) -> list[Path]:
    """The files of a role, or those of the playbooks."""
    if place == "playbooks":
        return [ROOT / "site.yml", *sorted((ROOT / "playbooks").rglob("*.yml"))]
    return sorted(
        [*(ROOT / "roles" / place / "tasks").rglob("*.yml"), *(ROOT / "roles" / place / "handlers").rglob("*.yml")]
    )


def what_is_wrong(name: str) -> str | None:
    """Why a name is not one, or None."""
    if name.split(maxsplit=1)[0] not in VERBS:
        return f"{name!r} does not begin with a verb that says what Ansible does"
    for habit, better in HABITS.items():
        found = re.search(habit, name, re.IGNORECASE)
        if found:
            return f"{name!r} has {found[0]!r}: write {better}"
    return None


def faults(place: str) -> list[str]:
    found = []
    for path in files_of(place):
        for name in names_in(yaml.load(path.read_text(encoding="utf-8"), Loader)):
            wrong = what_is_wrong(name)
            if wrong:
                found.append(f"{path.relative_to(ROOT)}: {wrong}")
    return found


@pytest.mark.parametrize("place", ["playbooks", *ROLES])
def test_names_are_imperatives(place):
    assert faults(place) == []


def test_every_task_has_a_name():
    for place in ["playbooks", *ROLES]:
        for path in files_of(place):
            for task in yaml.load(path.read_text(encoding="utf-8"), Loader) or []:
                assert task.get("name"), path


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("Install the Docker engine", None),
        ("Check that the index answers", None),
        ("Let it out", "does not begin with a verb"),
        ("They are no more", "does not begin with a verb"),
        ("The directories of the service exist", "does not begin with a verb"),
        ("Remember who left", "'who left': write the person"),
        ("Wait until nobody uses it", "'nobody': write no one"),
        ("Trust the CA of now", "'of now': write current"),
        ("Show people the way out", "'way out': write proxy"),
        ("Link the JupyterLab before", "'before': write previous"),
        ("Check secrets before anything changes", None),
    ],
)
def test_what_counts_as_one(name, wrong):
    said = what_is_wrong(name)
    assert said is None if wrong is None else wrong in str(said)
