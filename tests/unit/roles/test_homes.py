# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Who goes into people's homes: what docs/homes.md names, and nobody else.

Root does nothing by itself where a person can write. A task of Ansible's own modules does what it does as root, follows
links, waits for FIFOs and has no deadline, so none of them may have a path below a home, and none may become a person.
What is found here belongs into a module that goes by way of plugins/module_utils/homes.py.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]

# a path below a home, or a person to be become, in a task
HOMES = re.compile(
    r"""~/|~[a-z{]|(?<![\w.-])/(?:home|Users)\b|\$\{?HOME\b|[a-z_]homes?\b(?!\s*[=:])|pw_dir|getent_passwd
        |\.ssh\b|(?<![\w/])\.config\b|\.netrc\b|\.venvs\b|authorized_keys(?!\.d)""",
    re.VERBOSE,
)
PERSONS = re.compile(r"^(?:\S*/)?(?:runuser|su|sudo|setpriv|machinectl|systemd-run|chroot)$")
SHELL = re.compile(r"\b(?:runuser|su|sudo|setpriv)\s+-")
# modules that go in as the person, or only compute
OURS = "wheelhouse.onboarding."
COMPUTING = {
    *("assert", "debug", "fail", "set_fact", "include_role", "import_role", "include_tasks", "import_tasks"),
    *("include_vars", "meta", "pause", "add_host", "group_by", "getent", "setup", "gather_facts"),
}
# {task's file: {task's name: why}}
REVIEWED_TASKS: dict[str, dict[str, str]] = {
    "roles/accounts/tasks/main.yml": {
        "Create the accounts of new people": "an account that is new, with a home that is"
    },
    "roles/pypi_index/tasks/directories.yml": {
        "Create the system account, which owns published files": "of the index's own account, without a login"
    },
    "roles/index_store/tasks/install.yml": {
        "Create the system account that owns the files": "of the store's own account, without a login"
    },
}

# what a Python program of ours has to have a reason for: it looks up homes, or becomes somebody
PROGRAMS = {
    *("setuid", "seteuid", "setresuid", "setreuid", "initgroups", "setgroups", "getpwnam", "getpwuid", "getpwall"),
    *("expanduser", "pw_dir", "home"),
}
KEYWORDS_OF_PYTHON = {"preexec_fn", "user"}
REVIEWED_PROGRAMS = {
    "plugins/module_utils/homes.py": "the one way",
    "plugins/module_utils/atomic_write.py": "names of owners, for sentences",
    "plugins/module_utils/account_lookup.py": "goes by way of homes; root makes an empty directory for a new home",
    "plugins/module_utils/account_record.py": "hands out homes that it noted, and looks at none",
    "plugins/modules/managed_files.py": "goes by way of homes",
    "plugins/module_utils/managed_content.py": "goes by way of homes",
    "plugins/module_utils/system_paths.py": "names of owners, for sentences",
    "plugins/modules/conflicting_package_sources.py": "goes by way of homes",
    "plugins/modules/ssh_key_pairs.py": "goes by way of homes",
    "plugins/modules/doctor_reports.py": "goes by way of homes",
    "plugins/modules/virtualenvs.py": "goes by way of homes",
    "roles/backup/files/wheelhouse_backup/homes.py": "starts tar as the person, in a unit with limits",
    "roles/corporate_proxy/files/corporate-password": "a person runs it, as that person",
    "roles/package_client/files/doctor": "a person runs it, as that person",
    "roles/jupyter_tunnel/files/jupyter-tunnel": "a person runs it, as that person",
    "roles/jupyter_host/files/prepare-venv": "runs as the person, in their unit",
    "roles/jupyter_host/files/jupyter-status": "a person runs it, as that person",
    "roles/jupyter_host/files/jupyter_server_config.py": "runs as the person, in their unit",
    "plugins/module_utils/leaving_files.py": "of who left; nothing of theirs runs any more",
    "plugins/module_utils/leaving_processes.py": "of who left: it sends signals as that uid",
    "plugins/module_utils/leaving_people.py": "of who left: closes the directory of the home, looks at nothing in it",
    "roles/accounts/files/lock-ended-accounts": "looks accounts up, and hands who leaves over to leaving_people",
    "plugins/modules/offboard.py": "looks accounts up, and hands who leaves over to leaving_people",
    "roles/jupyter_host/files/move-home": "what reads and writes in homes does it in services that run as the person",
    "roles/jupyter_host/files/smoke_test.py": "becomes nobody, to try JupyterLab",
    "plugins/module_utils/jupyter_units.py": "asks a person's server by way of homes, with a deadline",
    "plugins/modules/jupyter_tokens.py": "writes into /etc/wheelhouse, where directories are root's",
    "roles/index_database/files/wheelhouse-database": "becomes PostgreSQL's own account, and has to do with no home",
    "roles/pypi_index/files/wheelhouse-incoming": "works in the shelf's directories, by descriptors; follows no link",
    "roles/pypi_index/files/wheelhouse": "the index: nobody has a home there",
    "roles/onboarding_bundle/files": "a person runs it on their own computer",
}


def tasks_in(node: object) -> Iterator[dict]:
    """Every task in a file of tasks, handlers or plays."""
    for entry in node if isinstance(node, list) else []:
        if isinstance(entry, dict):
            yield entry
            for part in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
                yield from tasks_in(entry.get(part))


def words_in(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield str(key)
            yield from words_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from words_in(value)
    elif isinstance(node, str):
        yield node


def task_files(root: Path) -> list[Path]:
    return sorted(
        path
        for pattern in ("roles/*/tasks/**/*.yml", "roles/*/handlers/**/*.yml", "playbooks/**/*.yml", "site.yml")
        for path in root.glob(pattern)
    )


def variables_with_homes(root: Path) -> re.Pattern:
    """Names of variables of roles that hold paths below homes, also by way of each other."""
    texts: dict[str, str] = {}
    for path in [*root.glob("roles/*/vars/*.yml"), *root.glob("roles/*/defaults/*.yml")]:
        for name, value in (yaml.load(path.read_text(encoding="utf-8"), Loader) or {}).items():
            texts[name] = texts.get(name, "") + " ".join(words_in(value))
    texts = {name: text for name, text in texts.items() if "hash(" not in text}  # in which nothing is to be found
    names = {name for name, text in texts.items() if HOMES.search(text)}
    while True:
        pattern = re.compile(rf"\b(?:{'|'.join(sorted(names)) or '(?!)'})\b")
        more = {name for name, text in texts.items() if pattern.search(text)} - names
        if not more:
            return pattern
        names |= more


def goes_into_homes(task: dict, variables: re.Pattern) -> bool:
    """Whether a task becomes a person, or hands a path below a home to a module that works as root."""
    if "become_user" in task or "remote_user" in task:
        return True
    actions = [key for key in task if "." in key]
    if not actions:
        return False
    given = [word for key in (*actions, "args", "loop") if key in task for word in words_in(task[key])]
    # what is handed over under another name
    given += list(words_in(task.get("vars", {})))
    if any(PERSONS.match(word) or SHELL.search(word) for word in given):
        return True
    if actions[0].startswith(OURS) or actions[0].rpartition(".")[2] in COMPUTING:
        return False
    return any(HOMES.search(word) or variables.search(word) for word in given)


def found_tasks(root: Path) -> list[tuple[str, str]]:
    """(file, name) of tasks that go into homes and are on no list."""
    found = []
    variables = variables_with_homes(root)
    for path in task_files(root):
        name = str(path.relative_to(root))
        for task in tasks_in(yaml.load(path.read_text(encoding="utf-8"), Loader)):
            if goes_into_homes(task, variables) and task.get("name") not in REVIEWED_TASKS.get(name, {}):
                found.append((name, str(task.get("name"))))
    return found


class Loader(yaml.SafeLoader):
    """YAML as Ansible reads it, its tags (!unsafe, !vault) taken for their text."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def is_python(path: Path) -> bool:
    if path.suffix == ".py":
        return True
    first = path.read_bytes()[:60].partition(b"\n")[0] if path.is_file() else b""
    return first.startswith(b"#!") and b"python" in first


def found_programs(root: Path) -> list[tuple[str, str]]:
    """(file, name used in it) of programs that look up homes or become somebody, and are on no list."""
    found = []
    places = [*root.glob("plugins/modules/*"), *root.glob("plugins/module_utils/*"), *root.glob("roles/*/files/**/*")]
    for path in sorted(place for place in places if is_python(place)):
        name = str(path.relative_to(root))
        if any(name == known or name.startswith(f"{known}/") for known in REVIEWED_PROGRAMS):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        used |= {
            word.arg for word in ast.walk(tree) if isinstance(word, ast.keyword) and word.arg in KEYWORDS_OF_PYTHON
        }
        found += [(name, word) for word in sorted(used & (PROGRAMS | KEYWORDS_OF_PYTHON))]
    return found


@pytest.mark.parametrize(
    "task",
    [
        {"ansible.builtin.slurp": {"src": "~ada/.netrc"}},
        {"ansible.builtin.stat": {"path": "/home/{{ item }}/.ssh"}, "loop": ["ada"]},
        {"ansible.builtin.file": {"path": "{{ ansible_facts['getent_passwd'][name].4 }}", "recurse": True}},
        {"ansible.builtin.file": {"path": "{{ item }}"}, "loop": "{{ homes }}", "vars": {"homes": ["/home/ada"]}},
        {"ansible.builtin.command": {"argv": ["cat", "{{ jupyter_host_homes }}/ada/x"]}},
        {"ansible.builtin.command": {"argv": ["runuser", "--user", "ada", "--", "id"]}},
        {"ansible.builtin.command": "su - ada -c id"},
        {"ansible.builtin.command": {"argv": ["id"]}, "become_user": "ada"},
        {"ansible.builtin.copy": {"dest": "{{ __a_role_place }}", "content": ""}},
    ],
)
def test_tasks_that_go_into_homes_are_seen(task: dict) -> None:
    assert goes_into_homes(task, re.compile(r"\b__a_role_place\b"))


def test_other_tasks_are_not_seen() -> None:
    for task in (
        {"ansible.builtin.copy": {"dest": "/etc/ssh/authorized_keys.d/{{ item }}"}, "become": True},
        {"wheelhouse.onboarding.managed_files": {"files": [{"path": "~/.netrc", "owner": "ada"}]}},
        {"ansible.builtin.assert": {"that": True, "fail_msg": "Look into ~/.netrc."}},
        {"ansible.builtin.command": {"argv": ["find", "/opt/wheelhouse", "-delete"]}},
    ):
        assert not goes_into_homes(task, re.compile("(?!)"))


def test_no_task_of_roots_goes_into_a_home() -> None:
    assert found_tasks(ROOT) == []


def test_no_program_goes_into_a_home_by_a_way_of_its_own() -> None:
    assert found_programs(ROOT) == []


def test_what_goes_there_is_written_down() -> None:
    page = (ROOT / "docs" / "homes.md").read_text(encoding="utf-8")
    ways = [name for name, why in REVIEWED_PROGRAMS.items() if "by way of homes" in why]
    assert [name for name in ways if f"`{Path(name).stem}`" not in page] == []
    assert [task for tasks in REVIEWED_TASKS.values() for task in tasks if task not in page] == []
