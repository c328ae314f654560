"""The rooms of the program: each imports only from those below it, HTTP is in one, and so is what changes rows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import wheelhouse

ROOT = Path(wheelhouse.__file__).parent
ROOMS = (
    ("errors", "logs", "processors", "progress"),
    ("database_settings", "ldap_settings", "named_upstreams", "network", "read_rights", "trusted_publishers"),
    ("config",),
    ("ldap_directory",),
    ("formats",),
    ("store",),
    ("index",),
    ("conda",),
    ("maintenance",),
    ("upstream",),
    ("oidc",),
    ("web",),
    ("intake",),
    ("housekeeping",),
    ("metrics",),
    ("transfer",),
    ("commands",),
    ("cli",),
    ("command",),
)
"""Lowest first. What is in one line may import from the others in it."""
FLOORS = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.name != "__init__.py")
ADDRESS = "pypiserver.config"
"""It knows where the public index is."""


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Modules that one imports, at its top or anywhere in it, but for those that only annotations need."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for one in node.names:
                inner = ROOT.parent.joinpath(*node.module.split("."), one.name)
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                yield f"{node.module}.{one.name}" if is_module else node.module


def test_every_room_is_known() -> None:
    assert {room_of(path) for path in MODULES} == FLOORS.keys()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_downwards(path: Path) -> None:
    own = room_of(path)
    for name in imported(path):
        if name.startswith("wheelhouse.") and (other := name.split(".")[1]) != own:
            assert FLOORS[other] < FLOORS[own] or other in ROOMS[FLOORS[own]], f"{name} is above"


def test_no_modules_import_each_other() -> None:
    arrows = {name_of(path): {one for one in imported(path) if one.startswith("wheelhouse.")} for path in MODULES}
    done: set[str] = set()

    def follow(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for other in sorted(arrows.get(name, ())):
                follow(other, (*path, name))
            done.add(name)

    for name in sorted(arrows):
        follow(name, ())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_answers_of_http_are_in_one_room(path: Path) -> None:
    if room_of(path) == "web":
        return
    for name in imported(path):
        if name != ADDRESS and name.split(".")[0] in ("werkzeug", "bottle", "wsgiref", "pypiserver"):
            raise AssertionError(f"{name} is for the room web")
        if name == "http" or name.startswith("http."):
            assert room_of(path) in ("upstream", "intake", "cli"), f"{name} is for the room web"


WRITERS = ("index",)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_rows_are_changed_in_one_room(path: Path) -> None:
    """And what is served is by whoever renders."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        if node.attr in ("change", "change_alone") and room_of(path) not in WRITERS:
            raise AssertionError(f"line {node.lineno} changes rows")
        if node.attr in ("write_page", "place") and isinstance(node.value, ast.Attribute) and node.value.attr == "site":
            assert room_of(path) == "index", f"line {node.lineno} changes what is served"
