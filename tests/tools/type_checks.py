"""Runs mypy, strict, on all Python of the collection but the unit tests of the index program.

    python tests/tools/type_checks.py [mypy arguments]

Programs are checked in groups, because modules of different programs have the same names, and each group has the oldest
Python that it runs under and the directories that its imports come from. What belongs to no group is an error, so
that nothing is forgotten. Settings are those of [tool.mypy] in pyproject.toml; the caches are in .cache/mypy.
"""

from __future__ import annotations

import configparser
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "mypy"
# The collection under the name by which it is imported, whatever checkout .venv has for it.
PLACE = CACHE / "path"
COLLECTION = PLACE / "ansible_collections" / "wheelhouse" / "onboarding"
INDEX_PROGRAM = "roles/pypi_index/files/wheelhouse"
COLLECTOR = "roles/monitoring/files/collector"
DOCTOR = "roles/package_client/files/doctor"
BACKUP = "roles/backup/files"


class Group(NamedTuple):
    """Programs that are checked together."""

    name: str
    python: str  # the oldest they run under; mypy knows none before 3.10
    files: tuple[str, ...]  # patterns of paths, in which `*` stands for any characters, `/` too
    imports: tuple[str, ...] = ()  # directories that modules are imported from, besides the collection
    but: tuple[str, ...] = ()  # patterns of what is not in it


HOSTS = "3.11"  # of Debian 12
TESTS = "3.11"
SAMPLES = ("tests/unit", f"{INDEX_PROGRAM}/src")  # the distributions that unit tests and scenarios send alike
# Scenarios: those in which no two modules have one name, and those that each have a conftest.py.
TOGETHER = ("absent", "blank_check", "interrupted", "office")
APART = ("clients", "cluster", "documentation", "index", "secrets", "team")

GROUPS = (
    Group("plugins", "3.10", ("plugins/*.py",)),
    Group("index-program", HOSTS, (f"{INDEX_PROGRAM}/*",), (f"{INDEX_PROGRAM}/src",)),
    Group("doctor", "3.10", (f"{DOCTOR}/*",), (DOCTOR,)),
    Group("backup", HOSTS, (f"{BACKUP}/*",), (BACKUP, "plugins/module_utils")),
    Group("monitoring", HOSTS, (f"{COLLECTOR}/*",), (COLLECTOR,)),
    # On a laptop it runs with whatever Python is there.
    Group("laptops", "3.10", ("roles/jupyter_tunnel/files/jupyter-tunnel",)),
    # Programs of hosts, each on its own.
    Group(
        "programs",
        HOSTS,
        (
            "examples/ci/exchange-identity.py",
            "examples/inventory/cmdb.py",
            "roles/accounts/files/lock-ended-accounts",
            "roles/conda_channel/files/wheelhouse-conda-mirror",
            "roles/corporate_proxy/files/corporate-password",
            "roles/corporate_proxy/files/wheelhouse_keyring.py",
            "roles/fleet/files/wheelhouse-pull",
            "roles/index_gateway/files/wheelhouse-renew-certificate",
            "roles/jupyter_host/files/jupyter-status",
            "roles/jupyter_host/files/jupyter_server_config.py",
            "roles/jupyter_host/files/move-home",
            "roles/jupyter_host/files/prepare-venv",
            "roles/jupyter_host/files/smoke_test.py",
            "roles/jupyter_host/files/wait-until-ready",
            "roles/package_client/files/fetch.py",
            "roles/pypi_index/files/wheelhouse-housekeeping",
            "roles/package_transfer/files/wheelhouse-transfer",
            "roles/index_database/files/wheelhouse-database",
            "roles/pypi_index/files/wheelhouse-incoming",
        ),
        ("plugins/module_utils",),
    ),
    Group("tools", TESTS, ("tests/tools/*.py", "demo/*.py", "docs/conf.py"), ("tests/tools", "demo", *SAMPLES)),
    Group(
        "bench", TESTS, ("tests/bench/*.py",), ("tests/bench", "tests/integration", *SAMPLES), ("tests/bench/inside/*",)
    ),
    Group("bench-inside", TESTS, ("tests/bench/inside/*.py",), ("tests/bench/inside",)),
    Group(
        "integration",
        TESTS,
        ("tests/integration/*.py",),
        (*(f"tests/integration/{place}" for place in TOGETHER), *SAMPLES, "tests/integration", "tests/tools"),
        tuple(f"tests/integration/{place}/*" for place in APART),
    ),
    *(
        Group(
            place,
            TESTS,
            (f"tests/integration/{place}/*.py",),
            (f"tests/integration/{place}", *SAMPLES, "tests/integration", "tests/tools"),
        )
        for place in APART
    ),
    Group(
        "unit",
        TESTS,
        ("tests/unit/*.py",),
        (*SAMPLES, "tests/integration/documentation", "tests/integration", "tests/tools", DOCTOR, BACKUP, COLLECTOR),
        ("tests/unit/index/*",),
    ),
)
# Not here.
ELSEWHERE = ("tests/unit/index/*",)


def python_files() -> list[str]:
    """Paths of what is Python, by its name or by its first line."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(name for name in names if name and (ROOT / name).is_file() and is_python(ROOT / name))


def is_python(path: Path) -> bool:
    if path.suffix:
        return path.suffix == ".py"
    with path.open("rb") as stream:
        first = stream.readline(80)
    return first.startswith(b"#!") and b"python" in first


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def members(group: Group, names: list[str]) -> list[str]:
    return [name for name in names if matches(name, group.files) and not matches(name, group.but)]


def module_of(name: str, group: Group) -> str:
    """By what name mypy knows a file: its path below the first directory that it is imported from."""
    base = next((place for place in group.imports if name.startswith(f"{place}/")), "")
    return name.removeprefix(f"{base}/").removesuffix(".py").replace("/", ".")


def settings(modules: list[str]) -> configparser.RawConfigParser:
    """The settings in pyproject.toml, with the patterns of modules that mypy does not know written out."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    parser = configparser.RawConfigParser()
    parser["mypy"] = {key: str(value) for key, value in table.items() if key != "overrides"}
    for override in table["overrides"]:
        wanted = [pattern for pattern in override["module"] if pattern.endswith(".*")]
        wanted += [module for module in modules if matches(module, tuple(override["module"]))]
        values = {key: str(value) for key, value in override.items() if key != "module"}
        parser.read_dict({f"mypy-{module}": values for module in dict.fromkeys(wanted)})
    return parser


def check(group: Group, names: list[str], arguments: list[str]) -> tuple[int, str]:
    """(exit code, what mypy says) of a group."""
    imports = [str(PLACE), *(str(ROOT / place) for place in group.imports)]
    place = CACHE / group.name
    place.mkdir(parents=True, exist_ok=True)
    with (place / "mypy.ini").open("w", encoding="utf-8") as stream:
        settings([module_of(name, group) for name in names]).write(stream)
    command = [sys.executable, "-m", "mypy", "--config-file", str(place / "mypy.ini"), "--cache-dir", str(place)]
    command += ["--python-version", group.python, *arguments]
    # what is of the collection has to be given by its place there, or it would be found under two names
    command += [str(COLLECTION / name) if name.startswith("plugins/") else name for name in names]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "MYPYPATH": ":".join(imports)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.replace(f"{COLLECTION.relative_to(ROOT)}/", "")


def main(arguments: list[str]) -> int:
    COLLECTION.parent.mkdir(parents=True, exist_ok=True)
    if not COLLECTION.is_symlink():
        COLLECTION.symlink_to(ROOT)
    names = python_files()
    groups = [(group, members(group, names)) for group in GROUPS]
    known = {name for _group, some in groups for name in some}
    left_out = [name for name in names if name not in known and not matches(name, ELSEWHERE)]
    if left_out:
        print(f"In no group of {Path(__file__).name}, and not checked: {', '.join(left_out)}", file=sys.stderr)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda pair: check(pair[0], pair[1], arguments), groups))
    # a module that more than one group imports is told once
    for line in dict.fromkeys(line for code, said in outcomes if code for line in said.splitlines()):
        print(line)
    return 1 if left_out else max(code for code, _said in outcomes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
