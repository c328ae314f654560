"""Passwords that some tool cannot send are refused by name, before the role changes anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

SECRET = "s3cr3t-sentinel"
SETTINGS: dict[str, dict] = {
    "package_client": {
        "package_client_index_url": "https://packages.acme.example",
        "package_client_machine_password": "",
    },
    "corporate_proxy": {
        "corporate_proxy_regions": {},
        "corporate_proxy_region": None,
        "corporate_proxy_password": None,
    },
}


def check(directory: Path, role: str, people: list[dict]) -> tuple[int, str]:
    """The exit code of the role's check and what it printed, white space folded."""
    include = {"name": f"wheelhouse.onboarding.{role}", "tasks_from": "check"}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": SETTINGS[role] | {f"{role}_people": people},
        "tasks": [{"ansible.builtin.include_role": include}],
    }
    (directory / "play.yml").write_text(yaml.safe_dump([play]))
    command = ["ansible-playbook", "-vvv", "-i", "localhost,", "-c", "local", str(directory / "play.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize(
    ("role", "key", "ending"), [("package_client", "index_password", "ä"), ("corporate_proxy", "proxy_password", "€")]
)
def test_what_a_tool_cannot_send_is_refused(tmp_path: Path, role: str, key: str, ending: str) -> None:
    code, said = check(tmp_path, role, [{"name": "leo", key: "x"}, {"name": "ada", key: SECRET + ending}])
    assert code != 0 and f"{role}_people[].{key} of ada has a character outside of" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("role", "key", "password"),
    [
        ("package_client", "index_password", """@:/#%?&+ "'\\~"""),
        ("package_client", "index_password", None),
        ("corporate_proxy", "proxy_password", """@:/#%?&+ "'\\~pässwörd ÿ"""),
        ("corporate_proxy", "proxy_password", None),
    ],
)
def test_what_every_tool_can_send_is_not(tmp_path: Path, role: str, key: str, password: str | None) -> None:
    assert check(tmp_path, role, [{"name": "ada", key: password}, {"name": "leo"}])[0] == 0
