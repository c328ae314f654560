"""A Windows machine, as far as Wine is one: its own cmd, script engine, registry and HTTP client, and one account."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

# no debugger's output; no downloads of a browser engine or .NET while the prefix is made
ENVIRONMENT = {"WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree=;mshtml=", "LANG": "C.UTF-8"}
REGISTRY = ("system.reg", "user.reg", "userdef.reg")


class Windows:
    """A Wine prefix. `reset` makes it the machine it was when it was new."""

    def __init__(self, prefix: Path) -> None:
        self._prefix = prefix
        self._environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "USER", "LOGNAME") if name in os.environ},
            **ENVIRONMENT,
            "WINEPREFIX": str(prefix / "prefix"),
        }
        prefix.mkdir(parents=True)
        subprocess.run(
            ["wine", "wineboot", "--init"], env=self._environment, check=True, capture_output=True, timeout=300
        )
        self.home.mkdir(parents=True, exist_ok=True)
        self._end()
        (prefix / "new").mkdir()
        for name in REGISTRY:
            shutil.copy(prefix / "prefix" / name, prefix / "new" / name)
        shutil.copytree(self._users, prefix / "new" / "users", symlinks=True)

    @property
    def _users(self) -> Path:
        return self._prefix / "prefix" / "drive_c" / "users"

    @property
    def home(self) -> Path:
        """%USERPROFILE%."""
        return next(path for path in self._users.iterdir() if path.name != "Public")

    @property
    def roaming(self) -> Path:
        return self.home / "AppData" / "Roaming"

    def _end(self) -> None:
        """End all its processes; the registry is on disk then."""
        subprocess.run(["wineserver", "--kill"], env=self._environment, check=False)
        subprocess.run(["wineserver", "--wait"], env=self._environment, check=False, timeout=60)

    def reset(self) -> None:
        self._end()
        for name in REGISTRY:
            shutil.copy(self._prefix / "new" / name, self._prefix / "prefix" / name)
        shutil.rmtree(self._users)
        shutil.copytree(self._prefix / "new" / "users", self._users, symlinks=True)
        # its services start once, and stay
        subprocess.run(["wineserver", "--persistent"], env=self._environment, check=True)
        quiet = subprocess.DEVNULL
        subprocess.run(["wine", "cmd", "/c", "exit"], env=self._environment, check=True, stdout=quiet, stderr=quiet)

    def close(self) -> None:
        self._end()
        shutil.rmtree(self._prefix)

    def run(
        self, *command: str, cwd: Path, answers: tuple[str, ...] = (), variables: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """The exit code of a command and what it said. Each answer is typed when a question that ends in ": " is there.

        Typed as Wine reads a pipe, which is in code page 1252.
        """
        for _ in range(3):
            code, said, answered = self._run(command, cwd, answers, variables or {})
            if (
                "ShellExecuteEx failed" not in said
            ):  # Wine itself did not get as far as the command, as it sometimes does under load
                break
        assert answered == len(answers), said
        return code, said

    def _run(
        self, command: tuple[str, ...], cwd: Path, answers: tuple[str, ...], variables: Mapping[str, str]
    ) -> tuple[int, str, int]:
        """The same once, and how many answers were asked for."""
        answered = 0
        # a file and no pipe, whose end would be that of Wine's own processes, which stay
        with (
            tempfile.TemporaryFile() as output,
            subprocess.Popen(
                ["wine", *command],
                cwd=cwd,
                env={**self._environment, **variables},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            assert process.stdin
            give_up = time.monotonic() + 120
            while process.poll() is None:
                assert time.monotonic() < give_up, os.pread(output.fileno(), 65536, 0)
                asked = os.pread(output.fileno(), 65536, 0).count(b"is saved): ")
                if asked > answered and answered < len(answers):
                    process.stdin.write(answers[answered].encode("cp1252") + b"\r\n")
                    process.stdin.flush()
                    answered += 1
                elif asked > len(answers) and not process.stdin.closed:
                    process.stdin.close()
                time.sleep(0.02)
            said = os.pread(output.fileno(), 65536, 0)
        return process.returncode, said.decode("cp1252", "replace").replace("\r", ""), answered

    def registry(self, key: str) -> dict[str, str]:
        """The values of a key, empty where there is none."""
        for _ in range(3):  # under load, Wine sometimes does not get as far as looking
            code, said = self.run("reg", "query", key, cwd=self.home)
            if not code:
                return dict(re.findall(r"^    (.*?)    REG_\w+    ?(.*)$", said, re.MULTILINE))
            if "Unable to find" in said:
                return {}
        raise AssertionError(f"reg query {key} ended with {code}: {said}")

    def set_variable(self, name: str, value: str) -> None:
        """Set a variable of the account, as its settings dialogue would."""
        code, said = self.run("reg", "add", r"HKCU\Environment", "/v", name, "/d", value, "/f", cwd=self.home)
        assert code == 0, said

    def state(self) -> dict[str, object]:
        """Everything an installation may change: the files of the account, its variables and PuTTY's sessions."""
        found = {str(path.relative_to(self.home)): path.read_bytes() for path in self.home.rglob("*") if path.is_file()}
        sessions = self.registry(r"HKCU\Software\SimonTatham\PuTTY\Sessions\wheelhouse-jupyter-1")
        return {**found, "variables": self.registry(r"HKCU\Environment"), "sessions": sessions}
