# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The modules for JupyterLabs, with a systemd and a journal that are made up."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import jupyter_units
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import account
from ansible_collections.wheelhouse.onboarding.plugins.modules import jupyter_servers, jupyter_tokens

NOW = 1_000_000


@dataclass
class Systemd:
    """Servers of people: which run since when, whose start fails, and what the journal has of them."""

    enabled: set[str] = field(default_factory=set)
    listening: set[str] = field(default_factory=set)
    since: dict[str, int] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    target: str = "enabled"
    journal: list[dict[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def output(self, *command: str, seconds: float | None = None) -> str:
        program, *words = command
        self.calls.append(" ".join([program.rpartition("/")[2], *words]))
        if program.endswith("journalctl"):
            return self.read_journal(words)
        names = [word.partition("@")[2].partition(".")[0] for word in words if word.startswith("jupyterlab@")]
        match words[0]:
            case "list-units":
                return "".join(f"jupyterlab@{name}.socket loaded active listening\n" for name in sorted(self.listening))
            case "restart":
                self.since.update({name: NOW for name in names if name not in self.broken})
                for name in self.broken.intersection(names):
                    self.since.pop(name, None)
            case "stop":
                for name in names:
                    self.since.pop(name, None)
            case "show":
                return self.show(words, names)
        return ""

    def show(self, words: list[str], names: list[str]) -> str:
        if words[-1] == "jupyterlab.target":
            state = "active" if self.target == "enabled" else "inactive"
            return f"ActiveState={state}\nUnitFileState={self.target}\n"
        names = sorted(self.since) if names == ["*"] else names
        return "\n".join(
            f"Id=jupyterlab@{name}.service\nActiveState={'active' if name in self.since else 'activating'}\n"
            f"ExecMainStartTimestampMonotonic={self.since.get(name, 0) * 1000000}\nInvocationID=of-{name}\n"
            for name in names
        )

    def read_journal(self, words: list[str]) -> str:
        wanted = dict(word.split("=", 1) for word in words if word.startswith("_"))
        return "\n".join(
            json.dumps(entry)
            for entry in self.journal
            if all(entry.get(name) == value for name, value in wanted.items())
        )

    def order(self, *words: str) -> None:
        self.calls.append("systemctl " + " ".join(words))
        names = {word.partition("@")[2].partition(".")[0] for word in words if word.startswith("jupyterlab@")}
        if words[0] == "enable":
            self.enabled |= names
            self.listening |= names
            self.target = "enabled" if "jupyterlab.target" in words else self.target
        elif words[0] == "disable":
            self.enabled -= names
            self.listening -= names


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Systemd]:
    made_up = Systemd()
    (tmp_path / "tokens").mkdir()
    owner = account("root")
    for module in (jupyter_units, jupyter_servers):
        monkeypatch.setattr(module, "order", made_up.order)
        monkeypatch.setattr(module, "enabled", lambda: set(made_up.enabled))
    monkeypatch.setattr(jupyter_units, "output", made_up.output)
    monkeypatch.setattr(jupyter_units, "account", lambda _name: owner)
    monkeypatch.setattr(jupyter_units, "STATE", str(tmp_path))
    monkeypatch.setattr(jupyter_units, "TOKENS", str(tmp_path / "tokens"))
    monkeypatch.setattr(jupyter_servers, "TOKENS", str(tmp_path / "tokens"))
    monkeypatch.setattr(jupyter_servers, "LAST_GOOD", str(tmp_path / "last-good-revision"))
    monkeypatch.setattr(jupyter_servers, "busy", lambda names: [name for name in names if name.startswith("busy")])
    monkeypatch.setattr(time, "monotonic", lambda: float(NOW))
    yield made_up


@pytest.fixture
def settings(tmp_path: Path) -> list[str]:
    (tmp_path / "idle.json").write_text("{}")
    return [str(tmp_path / "idle.json")]


def settle(people: list[str], settings: list[str], build: str | None = None, check: bool = False):
    return jupyter_servers.settle(people, settings, build, check)


def change(settings: list[str]) -> None:
    """Write the file again, as another one."""
    path = Path(settings[0])
    path.with_suffix(".new").write_text("{}")
    path.with_suffix(".new").replace(path)


def test_a_first_run_opens_sockets_and_tries_one_server(systemd: Systemd, settings: list[str]) -> None:
    systemd.target = "disabled"
    looked = settle(["ada", "leo"], settings, check=True)
    assert looked["changed"] and looked["opened"] == ["ada", "leo"] and systemd.listening == set()
    done = settle(["ada", "leo"], settings)
    assert done["changed"] and done["opened"] == ["ada", "leo"] and done["started"] == ["ada"]
    assert systemd.target == "enabled" and list(systemd.since) == ["ada"]
    for check in (True, False):
        assert settle(["ada", "leo"], settings, check=check) == jupyter_servers.nothing()


def test_changed_settings_restart_what_is_idle(systemd: Systemd, settings: list[str]) -> None:
    settle(["ada", "busy-bob", "leo"], settings)
    systemd.since.update({"ada": NOW - 5, "busy-bob": NOW - 5})
    change(settings)
    done = settle(["ada", "busy-bob", "leo"], settings)
    assert (done["started"], done["busy"]) == (["ada"], ["busy-bob"])
    assert systemd.since == {"ada": NOW, "busy-bob": NOW - 5}
    assert "systemctl daemon-reload" in systemd.calls


def test_servers_of_others_go_and_their_token_last(systemd: Systemd, settings: list[str], tmp_path: Path) -> None:
    settle(["ada", "leo"], settings)
    (tmp_path / "tokens" / "leo").write_text("secret")
    systemd.since["leo"] = NOW
    systemd.calls.clear()
    done = settle(["ada"], settings)
    assert done["changed"] and done["removed"] == ["leo"] and list((tmp_path / "tokens").iterdir()) == []
    asked = [call for call in systemd.calls if "@leo" in call and "show" not in call]
    assert asked == ["systemctl disable --now jupyterlab@leo.socket", "systemctl stop jupyterlab@leo.service"]
    # one that was interrupted before the token was deleted
    (tmp_path / "tokens" / "leo").write_text("secret")
    assert settle(["ada"], settings)["removed"] == ["leo"]


def said(name: str, words: str, invocation: str, uid: str = "0") -> dict[str, str]:
    unit = f"jupyterlab@{name}.service"
    return {"_SYSTEMD_UNIT": unit, "_UID": uid, "_SYSTEMD_INVOCATION_ID": invocation, "MESSAGE": words}


def test_a_broken_home_is_explained_by_what_the_server_said(systemd: Systemd, settings: list[str]) -> None:
    """Not by an attempt that has just begun, nor by the server that ran until then."""
    settle(["ada", "kim"], settings)
    systemd.since.update({"ada": NOW - 5, "kim": NOW - 5})
    systemd.broken.add("kim")
    systemd.journal = [
        said("kim", "Shutting down 1 kernel", "of-kim"),
        said("kim", "The virtualenv cannot be made: Permission denied.", "second"),
        said("kim", "The virtualenv cannot be made: Permission denied.", "third"),
        # what systemd says of the attempt that is under way
        said("kim", "Starting JupyterLab of kim ...", "fourth", uid="1"),
    ]
    change(settings)
    done = settle(["ada", "kim"], settings)
    assert done["started"] == ["ada"]
    assert done["failed_servers"] == [{"name": "kim", "reason": "The virtualenv cannot be made: Permission denied."}]
    calls = [call.split(" ")[0:2] for call in systemd.calls]
    stops = max(n for n, call in enumerate(systemd.calls) if call == "systemctl stop jupyterlab@kim.service")
    reads = min(n for n, call in enumerate(calls) if call == ["journalctl", "--sync"])
    assert stops < reads, "no attempt begins while the journal is read"
    # the settings work, and one more run has nothing to do
    assert settle(["ada", "kim"], settings)["changed"] is False


def test_a_server_that_says_nothing(systemd: Systemd, settings: list[str]) -> None:
    systemd.broken.add("ada")
    assert settle(["ada"], settings)["failed_servers"] == [{"name": "ada", "reason": "it says nothing"}]
    systemd.journal = [said("ada", "Failed to set up mount namespacing: Permission denied", "x")]
    assert "allow_root" in settle(["ada"], settings)["failed_servers"][0]["reason"]


def test_nobodys_server_comes_up_on_a_new_build(systemd: Systemd, settings: list[str], tmp_path: Path) -> None:
    """At most a few are tried; then the build before is linked again."""
    build = tmp_path / "jupyter"
    for name in (".jupyter.old", ".jupyter.new"):
        (tmp_path / name).mkdir()
    build.symlink_to(".jupyter.old")
    people = [f"kim{number}" for number in range(9)]
    settle(people, [*settings, str(build)], str(build))
    build.unlink()
    build.symlink_to(".jupyter.new")
    systemd.broken.update(people)
    systemd.since.clear()
    done = settle(people, [*settings, str(build)], str(build))
    assert (done["rolled_back"], done["started"], len(done["failed_servers"])) == (True, [], jupyter_servers.TRIES)
    assert str(build.readlink()) == ".jupyter.old"
    # where the build is the one that worked, it stays
    change(settings)
    assert settle(people, [*settings, str(build)], str(build))["rolled_back"] is False


def test_all_go(systemd: Systemd, settings: list[str], tmp_path: Path) -> None:
    settle(["ada"], settings)
    (tmp_path / "tokens" / "leo").write_text("secret")
    assert jupyter_servers.take_all_away(check=True)["removed"] == ["ada", "leo"]
    done = jupyter_servers.take_all_away(check=False)
    assert done["changed"] and systemd.listening == set() and systemd.since == {}
    assert list((tmp_path / "tokens").iterdir()) == []
    assert "systemctl disable --now jupyterlab.target" in systemd.calls


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others")
def test_tokens(tmp_path: Path) -> None:
    owner = account("nobody")
    assert owner
    path = tmp_path / "nobody"
    assert not jupyter_tokens.is_good(str(path), owner)
    jupyter_tokens.create(str(path), owner)
    status = path.stat()
    assert (status.st_uid, status.st_gid, oct(status.st_mode)) == (owner.pw_uid, owner.pw_gid, "0o100600")
    token = path.read_text()
    assert len(token) == 65 and jupyter_tokens.is_good(str(path), owner)
    jupyter_tokens.create(str(path), owner)
    assert path.read_text() != token and [one.name for one in tmp_path.iterdir()] == ["nobody"]
    # what another person can write is no token
    os.chown(path, 0, 0)
    assert not jupyter_tokens.is_good(str(path), owner)
    path.unlink()
    path.symlink_to("/etc/hostname")
    assert not jupyter_tokens.is_good(str(path), owner)
