# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What `move-home` does on the previous host: nothing of the person's runs any more, whatever that is."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from plugins.test_leaving import LEAVER, RESTLESS, SUBUID, WARLIKE, end, needs_root, start, survivors

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "jupyter_host"
SHARED = ROOT / "plugins" / "module_utils" / "leaving_processes.py"


@pytest.fixture
def move_home(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SHARED.parent)
    loader = importlib.machinery.SourceFileLoader("move_home", str(ROLE / "files" / "move-home"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_it_is_installed_beside_what_it_imports(tmp_path: Path) -> None:
    files = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))["__jupyter_host_files"]
    contents = {entry["path"]: entry["content"] for entry in files}
    directory = Path(next(path for path in contents if path.endswith("/move-home"))).parent
    assert "module_utils/leaving_processes.py'" in contents[str(directory / SHARED.name)]
    for file in (ROLE / "files" / "move-home", SHARED):
        shutil.copy(file, tmp_path)
    # isolated, as its first line has it; a key that is not there need not be deleted
    subprocess.run([sys.executable, "-I", tmp_path / "move-home", "clean-up", "nobody-here"], check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"move-home", SHARED.name}, "nothing is left behind"


@needs_root
def test_nothing_of_who_moves_goes_on(move_home: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What forks all the time, what kills whoever comes, and what runs in a container of theirs."""
    subuids = tmp_path / "subuid"
    subuids.write_text(f"leo:{SUBUID}:1\n")
    monkeypatch.setattr(move_home.leaving_processes.Uids.__init__, "__defaults__", (str(subuids),))
    started = [start(LEAVER, program) for program in (RESTLESS, RESTLESS, WARLIKE)]
    started.append(start(SUBUID, "import time; time.sleep(300)"))
    try:
        time.sleep(1)
        assert survivors()
        move_home.end_what_runs("leo", LEAVER)
        assert survivors() == []
    finally:
        for process in started:
            end(process)


@needs_root
def test_who_runs_the_move_does_not_move(move_home: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their session is the one that the run goes through."""
    monkeypatch.setenv("SUDO_UID", str(LEAVER))
    process = start(LEAVER, "import time; time.sleep(300)")
    try:
        with pytest.raises(SystemExit, match="as leo, whose home is to move; run it as somebody else"):
            move_home.end_what_runs("leo", LEAVER)
        assert os.waitpid(process, os.WNOHANG) == (0, 0), "it goes on"
    finally:
        end(process)
