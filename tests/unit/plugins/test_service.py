# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The module `service`: real files, and a systemd that is played."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import services as host_services
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.services import Host
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.systemd import (
    Systemd,
    SystemdError,
    Unit,
    newer_than,
    unit_of,
)
from ansible_collections.wheelhouse.onboarding.plugins.modules import service

from .conftest import RunModule

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="unit files belong to root")

TIMES = ("InactiveExitTimestamp", "StateChangeTimestamp")


def shown(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%a %Y-%m-%d %H:%M:%S.%f UTC") if moment else ""


@dataclass
class PlayedUnit:
    state: str = "inactive"
    enablement: str = "disabled"
    kind: str = "simple"
    started_at: float = 0.0
    loaded_at: float = 0.0
    read_at: float = 0.0  # when systemd read its files
    dies: bool = False  # right after a start


@dataclass
class PlayedSystemd:
    """What `systemctl` does here. A unit exists once systemd has read a file of its name, or as a package's."""

    directory: Path
    packaged: dict[str, PlayedUnit] = field(default_factory=dict)
    units: dict[str, PlayedUnit] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    clock: Callable[[], float] = time.time
    runs: bool = True
    journal: str = ""
    refuses: tuple[str, ...] = ()

    def files(self, name: str) -> list[Path]:
        return [path for path in (self.directory / name, self.directory / f"{name}.d") if path.exists()]

    def find(self, name: str) -> PlayedUnit | None:
        if name not in self.units and name in self.packaged:
            self.units[name] = self.packaged[name]
        if name not in self.units and (self.directory / name).exists():
            self.units[name] = PlayedUnit(read_at=self.clock())
        return self.units.get(name)

    def show(self, name: str) -> str:
        unit = self.find(name)
        if unit is None:
            return "Type=\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\nNeedDaemonReload=no\n"
        newest = max((path.stat().st_ctime for path in self.files(name)), default=0.0)
        gone = name not in self.packaged and not (self.directory / name).exists()
        times = "".join(
            f"{key}={shown(value)}\n" for key, value in zip(TIMES, (unit.started_at, unit.loaded_at), strict=True)
        )
        is_outdated = "yes" if gone or newest > unit.read_at else "no"
        return (
            f"Type={unit.kind}\nRemainAfterExit=no\nLoadState=loaded\nActiveState={unit.state}\n"
            f"UnitFileState={unit.enablement}\nNeedDaemonReload={is_outdated}\n{times}"
        )

    def __call__(self, command: list[str]) -> tuple[int, str, str]:
        program, *words = command
        if program == "journalctl":
            return 0, self.journal, ""
        if program != "systemctl":
            self.asked.append(" ".join(command))
            return (1, "", "line 3 is wrong") if program == "wrong" else (0, "", "")
        if not self.runs:
            return 1, "", "System has not been booted with systemd as init system"
        names = words[words.index("--") + 1 :] if "--" in words else []
        if words[0] == "show":
            return 0, "\n".join(map(self.show, names)), ""
        self.asked.append(" ".join(word for word in words if word != "--"))
        if words[0] in self.refuses:
            return 1, "", "Job failed, see http://ada:s3cret@proxy:8080"
        return self.change(words[0], *names)

    def change(self, verb: str, name: str = "") -> tuple[int, str, str]:
        if verb == "daemon-reload":
            self.units = {
                name: unit
                for name, unit in self.units.items()
                if name in self.packaged or (self.directory / name).exists()
            }
            for known in self.units.values():
                known.read_at = self.clock()
            return 0, "", ""
        unit = self.find(name)
        if unit is None:
            return 5, "", f"Unit {name} not loaded."
        if verb in ("start", "restart"):
            unit.state = "failed" if unit.dies else "activating" if unit.kind == "oneshot" else "active"
            unit.started_at = unit.loaded_at = self.clock()
        elif verb == "reload":
            unit.loaded_at = self.clock()
        elif verb == "stop":
            unit.state = "inactive"
        elif verb in ("enable", "disable"):
            unit.enablement = f"{verb}d"
        return 0, "", ""


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedSystemd:
    directory = tmp_path / "units"
    directory.mkdir(mode=0o755)
    monkeypatch.setattr(host_services, "UNITS", str(directory))
    return PlayedSystemd(directory)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "settings"
    path.write_text("a")
    return path


def wait_for_the_clock(path: Path) -> None:
    """Until a change gets another time than that of `path`: file systems count in some milliseconds."""
    probe = path.parent / "probe"
    probe.touch()
    while probe.stat().st_ctime <= path.stat().st_ctime:
        probe.touch()
    while time.time() <= probe.stat().st_ctime:
        pass


def settle(
    systemd: PlayedSystemd, *services: dict[str, Any], check: bool = False, units: Any = (), files: Any = ()
) -> Host:
    """One task of the module; what it did. A file that is written next is newer than that."""
    defaults: dict[str, Any] = {
        "state": "started",
        "enabled": None,
        "reads": [],
        "on_change": "restart",
        "reads_at_start": [],
        "unit": None,
        "validate": [],
        "result": None,
    }
    systemd.asked.clear()
    host = Host(systemd, check)
    wanted: list[Any] = [defaults | one for one in services]
    unit_files: list[Any] = [{"content": "", "state": "present", **unit} for unit in units]
    others: list[Any] = [{"content": "", "mode": "0644", "show": False, "state": "present", **file} for file in files]
    host.settle(wanted, unit_files, others)
    probe = systemd.directory.parent / "moment"
    probe.write_text("")
    wait_for_the_clock(probe)
    return host


def is_quiet(systemd: PlayedSystemd, *services: dict[str, Any], units: Any = (), files: Any = ()) -> None:
    host = settle(systemd, *services, units=units, files=files)
    assert (host.changed, systemd.asked, host.diff) == (False, [], [])


def test_a_unit_is_written_started_and_enabled_once(systemd: PlayedSystemd) -> None:
    wanted = {"name": "relay.service", "unit": "[Service]\nExecStart=/bin/relay\n"}
    checked = settle(systemd, wanted, check=True)
    assert (checked.changed, systemd.asked, list(systemd.directory.iterdir())) == (True, [], [])
    assert checked.done["started"] == checked.done["enabled"] == ["relay.service"]
    host = settle(systemd, wanted)
    path = systemd.directory / "relay.service"
    assert systemd.asked == ["daemon-reload", "enable relay.service", "start relay.service"]
    assert (path.read_text(), path.stat().st_mode & 0o777) == (wanted["unit"], 0o644)
    assert host.done["units"] == [str(path)] and host.diff[0]["after"] == wanted["unit"]
    is_quiet(systemd, wanted)
    host = settle(systemd, wanted | {"unit": "[Service]\nExecStart=/bin/other\n"})
    assert systemd.asked == ["daemon-reload", "restart relay.service"], "a changed unit file counts at a start alone"
    assert host.newer == {"relay.service": [str(path)]}
    is_quiet(systemd, wanted | {"unit": "[Service]\nExecStart=/bin/other\n"})


def test_a_run_that_was_killed_after_it_wrote_is_made_good_for(systemd: PlayedSystemd, settings: Path) -> None:
    wanted = {"name": "relay.service", "unit": "[Service]\n", "reads": [str(settings)]}
    settle(systemd, wanted)
    (systemd.directory / "relay.service").write_text("[Service]\nKillMode=process\n")  # and no daemon-reload
    wanted["unit"] = "[Service]\nKillMode=process\n"
    settle(systemd, wanted)
    assert systemd.asked == ["daemon-reload", "restart relay.service"]
    settings.write_text("b")  # and no restart
    settle(systemd, wanted)
    assert systemd.asked == ["restart relay.service"]
    is_quiet(systemd, wanted)


def test_what_can_be_read_again_is_reloaded_and_the_rest_restarted(systemd: PlayedSystemd, tmp_path: Path) -> None:
    systemd.packaged["nginx.service"] = PlayedUnit("active", "enabled", started_at=time.time(), loaded_at=time.time())
    sites, module, drop_in = tmp_path / "sites", tmp_path / "module", systemd.directory / "nginx.service.d" / "a.conf"
    (sites / "below").mkdir(parents=True)
    module.touch()
    wanted = {
        "name": "nginx.service",
        "reads": [str(sites), str(tmp_path / "none")],
        "on_change": "reload",
        "reads_at_start": [str(module)],
        "validate": ["nginx", "-t"],
    }
    units = [{"path": str(drop_in), "content": "[Service]\nLimitNOFILE=9\n"}]
    host = settle(systemd, wanted, units=units)
    assert systemd.asked == ["daemon-reload", "nginx -t", "restart nginx.service"]
    assert host.done["restarted"] == ["nginx.service"] and not host.done["reloaded"]
    is_quiet(systemd, wanted, units=units)
    (sites / "below" / "a.conf").touch()
    host = settle(systemd, wanted, units=units)
    assert systemd.asked == ["nginx -t", "reload nginx.service"] and host.done["reloaded"] == ["nginx.service"]
    is_quiet(systemd, wanted, units=units)
    (sites / "below" / "a.conf").unlink()
    module.write_text("new")
    settle(systemd, wanted, units=units)
    assert systemd.asked == ["nginx -t", "restart nginx.service"], "a start reads everything; no reload after it"
    is_quiet(systemd, wanted, units=units)


def test_settings_with_mistakes_are_not_read(systemd: PlayedSystemd, settings: Path) -> None:
    wanted = {"name": "relay.service", "unit": "[Service]\n", "reads": [str(settings)]}
    settle(systemd, wanted)
    settings.write_text("b")
    with pytest.raises(SystemdError, match=r"wrong -t finds mistakes .* line 3 is wrong"):
        settle(systemd, wanted | {"validate": ["wrong", "-t"]})
    assert systemd.asked == ["wrong -t"]


def test_a_timer_follows_its_file_without_a_restart(systemd: PlayedSystemd) -> None:
    wanted = {"name": "look.timer", "unit": "[Timer]\nOnCalendar=weekly\n"}
    units = [{"path": str(systemd.directory / "look.service"), "content": "[Service]\n"}]
    settle(systemd, wanted, units=units)
    assert systemd.asked == ["daemon-reload", "enable look.timer", "start look.timer"]
    assert sorted(path.name for path in systemd.directory.iterdir()) == ["look.service", "look.timer"]
    wanted["unit"] = "[Timer]\nOnCalendar=daily\n"
    host = settle(systemd, wanted, units=units)
    assert systemd.asked == ["daemon-reload"] and host.changed
    is_quiet(systemd, wanted, units=units)


def test_what_is_stopped_is_disabled_and_its_files_go(systemd: PlayedSystemd) -> None:
    on, off = {"name": "look.timer", "unit": "[Timer]\n"}, {"name": "look.timer", "state": "stopped"}
    settle(systemd, on)
    drop_in = systemd.directory / "look.timer.d" / "a.conf"
    settle(systemd, on, units=[{"path": str(drop_in), "content": "[Timer]\n"}])
    gone = [{"path": str(path), "state": "absent"} for path in (drop_in, systemd.directory / "look.timer")]
    checked = settle(systemd, off, units=gone, check=True)
    assert checked.changed and systemd.asked == [] and drop_in.exists()
    settle(systemd, off, units=gone)
    expected = ["stop look.timer", "disable look.timer", "daemon-reload"]
    assert systemd.asked[:3] == expected and list(systemd.directory.iterdir()) == []
    is_quiet(systemd, off, units=gone)
    settle(systemd, on)
    (systemd.directory / "look.timer").unlink()  # and no daemon-reload, in a run that was killed
    settle(systemd, off, units=gone)
    assert systemd.asked.count("daemon-reload") >= 1 and systemd.find("look.timer") is None
    is_quiet(systemd, off, units=gone)


def test_a_program_is_there_before_its_unit_starts_and_goes_after_it(systemd: PlayedSystemd, tmp_path: Path) -> None:
    program = tmp_path / "look"
    timer = {"name": "look.timer", "unit": "[Timer]\nOnCalendar=weekly\n"}
    files = [{"path": str(program), "content": "#!/bin/sh\n", "mode": "0755"}]
    there_at: dict[str, bool] = {}
    played = systemd.change

    def change(verb: str, name: str = "") -> tuple[int, str, str]:
        there_at[verb] = program.exists()
        return played(verb, name)

    systemd.change = change  # type: ignore[method-assign]
    checked = settle(systemd, timer, files=files, check=True)
    assert checked.done["files"] == [str(program)] and not program.exists()
    host = settle(systemd, timer, files=files)
    assert there_at["start"] and program.stat().st_mode & 0o777 == 0o755
    assert host.done["files"] == [str(program)] and "#!" not in str(host.diff) and str(program) in str(host.diff)
    is_quiet(systemd, timer, files=files)
    program.chmod(0o700)
    assert settle(systemd, timer, files=files).done["files"] == [str(program)]
    shown = settle(systemd, timer, files=[files[0] | {"content": "echo http://ada:s3cret@proxy\n", "show": True}])
    assert "echo http://ada:***@proxy" in str(shown.diff) and "s3cret" not in str(shown.diff)
    stopped = {"name": "look.timer", "state": "stopped"}
    gone = [{"path": str(program), "state": "absent"}]
    assert settle(systemd, stopped, files=gone, check=True).done["files"] == [str(program)] and program.exists()
    host = settle(systemd, stopped, files=gone)
    assert there_at["stop"] and not program.exists() and host.done["files"] == [str(program)]
    is_quiet(systemd, stopped, files=gone)


def test_programs_are_files_of_root_alone(systemd: PlayedSystemd, tmp_path: Path) -> None:
    for wrong, sentence in (
        ({"path": str(systemd.directory / "look.service")}, "outside of"),
        ({"path": "look"}, "write the absolute path"),
        ({"path": f"{tmp_path}/../look"}, "write the absolute path"),
        ({"path": f"{tmp_path}/look", "mode": "rwx"}, "write an octal number in quotes"),
        ({"path": f"{tmp_path}/none/look"}, "There is no directory"),
    ):
        with pytest.raises(SystemdError, match=sentence):
            settle(systemd, files=[wrong])
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(SystemdError, match="has to belong to root and be writable by nobody else"):
        settle(systemd, files=[{"path": str(open_to_all / "look")}])


def test_directories_of_drop_ins_with_files_of_others_stay(systemd: PlayedSystemd) -> None:
    directory = systemd.directory / "nginx.service.d"
    settle(systemd, units=[{"path": str(directory / "ours.conf")}])
    (directory / "theirs.conf").touch()
    settle(systemd, units=[{"path": str(directory / "ours.conf"), "state": "absent"}])
    assert [path.name for path in directory.iterdir()] == ["theirs.conf"]


def test_work_that_is_done_once_is_done_again_for_new_files(systemd: PlayedSystemd, settings: Path) -> None:
    result = settings.parent / "result"
    systemd.packaged["intake.service"] = intake = PlayedUnit("inactive", "static", kind="oneshot")
    wanted = {"name": "intake.service", "state": "ran", "reads": [str(settings)], "result": str(result)}
    assert settle(systemd, wanted, check=True).changed and systemd.asked == []
    settle(systemd, wanted)
    begun = ["restart --no-block intake.service"]
    assert systemd.asked == begun, "it never ran"
    is_quiet(systemd, wanted)
    settings.write_text("b")
    settle(systemd, wanted)
    assert systemd.asked == begun, "the run that is under way knows the old files"
    is_quiet(systemd, wanted)
    result.write_text("done")
    intake.state = "inactive"
    is_quiet(systemd, wanted)
    intake.started_at = intake.loaded_at = 0.0  # the host was started again
    is_quiet(systemd, wanted)
    settings.write_text("c")
    settle(systemd, wanted)
    assert systemd.asked == begun
    intake.state = "failed"  # before it wrote anything
    settle(systemd, wanted)
    assert systemd.asked == begun, "its work was not done"


def test_a_unit_that_failed_is_started_again(systemd: PlayedSystemd) -> None:
    systemd.packaged["relay.service"] = PlayedUnit("failed", "enabled")
    settle(systemd, {"name": "relay.service"})
    assert systemd.asked == ["reset-failed relay.service", "start relay.service"]


def test_enabling_can_be_left_to_another(systemd: PlayedSystemd) -> None:
    systemd.packaged["a.service"] = PlayedUnit("active", "enabled", started_at=time.time())
    systemd.packaged["b.service"] = PlayedUnit("active", "static", started_at=time.time())
    is_quiet(systemd, {"name": "a.service"}, {"name": "b.service"})
    settle(systemd, {"name": "a.service", "enabled": False}, {"name": "b.service", "state": "stopped"})
    assert systemd.asked == ["stop b.service", "disable a.service"]
    settle(systemd, {"name": "b.service", "state": "stopped", "enabled": True})
    assert systemd.asked == []


def test_a_unit_that_is_left_as_it_is_reads_its_files_if_it_is_at_work(systemd: PlayedSystemd, settings: Path) -> None:
    systemd.packaged["ssh.service"] = PlayedUnit("inactive", "disabled")
    wanted = {"name": "ssh.service", "state": "unchanged", "reads": [str(settings)], "on_change": "reload"}
    is_quiet(systemd, wanted, {"name": "none.service", "state": "unchanged", "reads": [str(settings)]})
    systemd.packaged["ssh.service"].state = "active"
    settle(systemd, wanted)
    assert systemd.asked == ["reload ssh.service"]
    is_quiet(systemd, wanted)


def test_a_failure_comes_with_the_journal_and_without_passwords(systemd: PlayedSystemd) -> None:
    systemd.packaged["relay.service"] = PlayedUnit(dies=True)
    systemd.journal = "cannot reach http://ada:s3cret@proxy:8080\n"
    with pytest.raises(SystemdError, match=r"is failed already\.\nThe journal of relay.service ends with:") as caught:
        settle(systemd, {"name": "relay.service"})
    assert "s3cret" not in str(caught.value) and "ada:***@proxy" in str(caught.value)
    systemd.refuses = ("start",)
    with pytest.raises(SystemdError, match=r"systemctl start relay.service failed: Job failed") as caught:
        settle(systemd, {"name": "relay.service"})
    assert "s3cret" not in str(caught.value) and "cannot reach" in str(caught.value)


def test_a_host_that_is_still_blank_can_be_checked(systemd: PlayedSystemd) -> None:
    wanted, unwanted = {"name": "nginx.service"}, {"name": "old.service", "state": "stopped"}
    for runs in (True, False):
        systemd.runs = runs
        host = settle(systemd, wanted, unwanted, check=True)
        assert host.done["started"] == host.done["enabled"] == ["nginx.service"] and not host.done["stopped"]
    with pytest.raises(SystemdError, match="systemd does not run on this host"):
        settle(systemd, wanted)
    systemd.runs = True
    with pytest.raises(SystemdError, match=r"no unit nginx\.service on this host; install what it belongs to"):
        settle(systemd, wanted)
    is_quiet(systemd, unwanted)


@pytest.mark.parametrize("path", ["/etc/passwd", "{}/../x.service", "{}", "x.service"])
def test_files_elsewhere_are_refused(systemd: PlayedSystemd, path: str) -> None:
    with pytest.raises(SystemdError, match="write the path of a file below"):
        settle(systemd, units=[{"path": path.format(systemd.directory)}])


def test_a_directory_that_others_may_change_is_refused(systemd: PlayedSystemd) -> None:
    directory = systemd.directory / "a.service.d"
    directory.mkdir()
    for owner, mode in ((0, 0o775), (1, 0o755)):
        os.chown(directory, owner, 0)
        directory.chmod(mode)
        with pytest.raises(SystemdError, match="has to belong to root and be writable by nobody else"):
            settle(systemd, units=[{"path": str(directory / "a.conf")}])
    assert list(directory.iterdir()) == []


def test_files_belong_to_the_unit_they_are_named_after() -> None:
    assert unit_of("/etc/systemd/system/a.service") == unit_of("/etc/systemd/system/a.service.d/b.conf") == "a.service"
    assert unit_of("/etc/systemd/system/a@b.service") == "a@b.service"
    assert unit_of("/etc/systemd/system/a@.service") is None is unit_of("/etc/systemd/system/a@.service.d/b.conf")


def test_a_file_is_newer_whatever_changed_in_it(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    file = tmp_path / "below" / "a"
    changes: list[Callable[[], object]] = [
        lambda: file.write_text("a"),
        lambda: file.chmod(0o600),
        lambda: os.utime(file, (0, 0)),  # as a copying program does that keeps the times
    ]
    for change in changes:
        since = time.time()
        stamp = tmp_path.parent / f"{tmp_path.name}-stamp"
        stamp.write_text("")
        since = stamp.stat().st_ctime
        assert newer_than(since, [str(tmp_path / "below")]) == []
        for _ in itertools.repeat(None):
            change()
            if file.stat().st_ctime > since:
                break
        assert str(file) in newer_than(since, [str(tmp_path)])
        stamp.unlink()
    assert newer_than(0.0, [str(tmp_path / "none")]) == []


def test_the_module_as_ansible_runs_it(run_module: RunModule, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@" >>"$0.log"\nprintf "LoadState=not-found\\nActiveState=inactive\\n"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    answer = run_module(service, check_mode=True, services=[{"name": "nginx.service"}])
    assert (answer["changed"], answer["started"]) == (True, ["nginx.service"])
    answer = run_module(service, services=[{"name": "nginx.service", "state": "stopped"}])
    assert not answer["changed"] and "failed" not in answer
    answer = run_module(service, services=[{"name": "nginx.service"}])
    assert answer["failed"] and answer["msg"].startswith("There is no unit nginx.service")
    assert (tmp_path / "bin" / "systemctl.log").read_text().count("--timestamp=us+utc") == 3


def test_times_are_read_as_systemd_prints_them() -> None:
    shown_unit = "LoadState=loaded\nActiveState=active\nInactiveExitTimestamp=Thu 2026-11-26 10:00:00.500000 UTC\n"

    def run(_command: list[str]) -> tuple[int, str, str]:
        return 0, f"{shown_unit}StateChangeTimestamp=n/a\nType=notify\n", ""

    unit = (Systemd(run).units(["a.service"]) or {})["a.service"]
    assert unit == Unit(True, "active", "", False, 1795687200.5, 0.0, False)
