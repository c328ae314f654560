# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The files of an inventory on the controller: keys that stand twice, and passwords that stand in clear."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import yaml
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.settings import BY_NAME
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.spec_checks import SECRET

_Loader: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# ("vault", "ada") for what stands behind `ada` in `vault`
Paths = set[tuple[str, ...]]

VAULT = b"$ANSIBLE_VAULT"
# What inventories/example has for passwords; everybody can read them there.
EXAMPLE_PASSWORDS = frozenset(
    {
        "choose one for the proxy",
        "choose another one",
        "whatever happens to the index host",
        "correct horse battery",
        "p@ss:w/rd#1",
        "staple and paper clip",
        "100%",
        "qk3Vn8ZtR2bYwX7c",
        "of the four winds",
    }
)
_MARKS = ("{{", "{%")
_IN_ADDRESS = re.compile(r"://[^/@\s]*:[^/@\s]+@")


def shown_path(path: Path) -> str:
    """A path as somebody would type it here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def variable_files(places: Iterable[Path]) -> list[Path]:
    """Files of variables beside inventories and playbooks: below group_vars and host_vars in each of `places`."""
    found: list[Path] = []
    for place in dict.fromkeys(places):
        for folder in ("group_vars", "host_vars"):
            found += [path for path in (place / folder).rglob("*") if path.is_file() and _is_yaml(path)]
    return sorted(dict.fromkeys(found))


def inventory_files(sources: Iterable[Path]) -> list[Path]:
    """YAML files that are inventories themselves: the sources, or what is in those that are directories."""
    found: list[Path] = []
    for source in sources:
        found += source.iterdir() if source.is_dir() else [source]
    return sorted(path for path in found if path.suffix in ("", ".ini", ".yml", ".yaml") and path.is_file())


def file_faults(
    files: Iterable[Path], decrypted: Callable[[Path], str | None], secrets_of: Paths
) -> tuple[list[str], list[str]]:
    """(faults, warnings) of files.

    files       paths of YAML files
    decrypted   a function from a path to the file's text, also where a vault holds it; None where that cannot be read
    secrets_of  paths of variables that secrets come from
    """
    faults, warnings = [], []
    for path in files:
        text = decrypted(path)
        if text is None or text.startswith("#!"):  # a program that makes an inventory
            continue
        try:
            node = yaml.compose(text, _Loader)
        except (yaml.YAMLError, ValueError):
            node = None  # another form of inventory; where it is none, Ansible says so itself
        name = shown_path(path)
        faults += [
            f"{name}: {key} stands there twice (lines {first} and {second}), and only the last counts: keep one."
            for key, first, second in _twice(node)
        ]
        if _is_encrypted(path):
            continue
        lines = not isinstance(node, (yaml.MappingNode, yaml.SequenceNode))
        clear = list(_in_lines(text, secrets_of) if lines else _in_clear(node, secrets_of))
        if not clear:
            continue
        keys = ", ".join(dict.fromkeys(key for key, _value in clear))
        keys = keys if len(keys) <= 100 else f"{keys[:100].rpartition(', ')[0]} and others"
        if all(value in EXAMPLE_PASSWORDS for _key, value in clear):
            warnings.append(
                f"{name} holds the passwords of the example, which everybody can read: write your own, and encrypt "
                f"the file with `ansible-vault encrypt {name}`."
            )
        else:
            faults.append(
                f"{name} holds passwords in clear ({keys}): encrypt it with `ansible-vault encrypt {name}`, or move "
                "them to a file that is encrypted."
            )
    return faults, warnings


def misnamed_faults(files: Sequence[Path], groups: Iterable[str], hosts: Iterable[str]) -> list[str]:
    """Files of variables whose group or host is not there, but one of nearly the same name is: nothing reads them."""
    faults = {}
    for path in files:
        for folder, known in (("group_vars", {*groups, "all", "ungrouped"}), ("host_vars", {*hosts, "localhost"})):
            if folder not in path.parts:
                continue
            top = path.parts[: len(path.parts) - path.parts[::-1].index(folder) + 1]
            name = top[-1] if len(top) < len(path.parts) or not path.suffix else top[-1].removesuffix(path.suffix)
            near = get_close_matches(name, sorted(known), n=1, cutoff=0.8) if name not in known else []
            # machines are called alike (ws-1, ws-2), and a directory may be shared by more than one list of hosts
            taken = folder == "host_vars" and near and any(other.stem == near[0] for other in files)
            if near and not taken:
                what = "group" if folder == "group_vars" else "host"
                faults[name] = (
                    f"{shown_path(Path(*top))} is for the {what} {name!r}, which is not in the inventory, "
                    f"and nothing reads it: did you mean {near[0]!r}? Rename it, or take it away."
                )
    return list(faults.values())


def absent_group_faults(files: Sequence[Path], groups: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """Files of variables for a group that the collection knows, and the inventory does not have, not even empty."""
    absent = {*known} - {*groups}
    for path in files:
        parts = path.parts
        if "group_vars" not in parts:
            continue
        top = parts[: len(parts) - parts[::-1].index("group_vars") + 1]
        name = top[-1] if len(top) < len(parts) or not path.suffix else top[-1].removesuffix(path.suffix)
        if name in absent:
            absent.remove(name)
            yield (
                f"{shown_path(Path(*top))} is for the group {name!r}, which is not in the inventory, and nothing reads "
                "it: write the group into the inventory, with hosts or empty, or take the file away."
            )


def looked_up_faults(paths: Iterable[Path]) -> tuple[list[str], list[str]]:
    """(faults, warnings) of files outside of the inventory that secrets are looked up in."""
    faults, warnings = [], []
    for path in sorted(paths):
        if not path.is_file() or _is_encrypted(path):
            continue
        name = shown_path(path)
        if path.stat().st_mode & 0o077:
            faults.append(
                f"{name} holds passwords in clear, and others on this machine may read it: "
                f"encrypt it with `ansible-vault encrypt {name}`."
            )
        else:
            warnings.append(
                f"{name} holds passwords in clear; nobody but you may read it. "
                "A real inventory keeps them in ansible-vault."
            )
    return faults, warnings


def _is_yaml(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix in ("", ".yml", ".yaml", ".json")


def _is_encrypted(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(VAULT)) == VAULT
    except OSError:
        return False


def _twice(node: yaml.Node | None) -> Iterator[tuple[str, int, int]]:
    """(key, line, line) for keys that a mapping has twice."""
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                line = key.start_mark.line + 1
                if key.value in lines:
                    yield key.value, lines[key.value], line
                lines[key.value] = line
            yield from _twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _twice(item)


def _in_clear(node: yaml.Node | None, paths: Paths, key: str = "", secret: bool = False) -> Iterator[tuple[str, str]]:
    """(key, text) of literal texts behind keys that secrets stand behind."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode):
                below = {path[1:] for path in paths if path and path[0] == name.value}
                inside = secret or () in below or _is_secret(name.value)
                yield from _in_clear(value, below, name.value, inside)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _in_clear(item, paths, key, secret)
    elif isinstance(node, yaml.ScalarNode) and node.tag not in ("!vault", "!vault-encrypted"):
        if not secret and not _IN_ADDRESS.search(node.value):
            return
        literal = node.tag == "!unsafe" or not any(mark in node.value for mark in _MARKS)
        if literal and node.value.strip() and node.tag not in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"):
            yield key, node.value


def _in_lines(text: str, paths: Paths) -> Iterator[tuple[str, str]]:
    """The same of an inventory in lines, `host name=value` and `name=value`."""
    for line in text.splitlines():
        for name, value in re.findall(r"(?:^|\s)(\w+)\s*=\s*('[^']*'|\"[^\"]*\"|\S+)", line.partition(" #")[0]):
            secret = (name,) in paths or _is_secret(name) or _IN_ADDRESS.search(value)
            if secret and not any(mark in value for mark in _MARKS):
                yield name, value.strip("'\"")


def _is_secret(name: str) -> bool:
    """Whether what stands behind a key is a secret, by the key's name; a file's path is none."""
    if name in BY_NAME:
        return BY_NAME[name].secret
    return bool(SECRET.search(name)) and not re.search(r"private_key$", name)
