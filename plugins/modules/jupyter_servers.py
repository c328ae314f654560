# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_servers
short_description: Run one JupyterLab for each person
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Brings the servers of a Jupyter host to the list of people who have one, all of them in one task.
  - Makes the sockets of O(people) listen, now and after a restart of the host.
    Stops the servers of others, and removes their sockets and tokens.
  - Restarts servers that run with other files than those in O(settings), unless they have kernels or terminals,
    which a restart would end.
  - Where no server has run with these files yet, starts one to see that they work; it stops by itself when it is idle.
    A server that does not come up is reported with the last words of its log and keeps no other from running.
  - Fails where no server at all comes up.
    Where O(build) is then a newer one than the servers last ran on, links to that one again.
  - The role jupyter_host installs the units and programs that this module expects.
options:
  people:
    description: Login names of the people who have a server.
    type: list
    elements: str
    default: []
  settings:
    description: The files that a server and its units are made of.
    type: list
    elements: path
    default: []
  build:
    description: The symbolic link to the JupyterLab that servers run.
    type: path
  state:
    description: V(absent) stops all servers and removes their sockets and tokens. O(people) does not count then.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Reports what would change, also where the units are not installed yet.
    support: full
  diff_mode:
    description: The return values say what changed.
    support: none
"""

EXAMPLES = r"""
- name: Run JupyterLab for two people
  wheelhouse.onboarding.jupyter_servers:
    people: [ada, leo]
    settings: [/etc/systemd/system/jupyterlab@.service, /opt/wheelhouse/jupyter]
    build: /opt/wheelhouse/jupyter
"""

RETURN = r"""
removed:
  description: People whose server was taken away.
  type: list
  elements: str
  returned: always
opened:
  description: People whose socket listens now and did not before.
  type: list
  elements: str
  returned: always
started:
  description: People whose server was started or restarted.
  type: list
  elements: str
  returned: always
busy:
  description: People whose server goes on with other settings, because it has kernels or terminals.
  type: list
  elements: str
  returned: always
failed_servers:
  description: People whose server does not come up, and why.
  type: list
  elements: dict
  returned: always
  sample: [{name: kim, reason: "The virtualenv /home/kim/.venvs/jupyter cannot be made: Permission denied."}]
rolled_back:
  description: Whether the JupyterLab before this one is in use again.
  type: bool
  returned: always
"""

import contextlib
import json
import os
import time
from collections.abc import Sequence
from typing import TypedDict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.jupyter_units import (
    START_SECONDS,
    STATE,
    TARGET,
    TOKENS,
    Refused,
    address,
    busy,
    enabled,
    in_use_since,
    invocations,
    is_on,
    last_words,
    listening,
    order,
    properties,
    read,
    restart,
    revision,
    running,
    stop,
    with_tokens,
    write,
)

LAST_GOOD = f"{STATE}/last-good-revision"
# of how many people with an idle server one is started, to see that the settings work
TRIES = 3


class Failed(TypedDict):
    """Whose server does not come up, and why."""

    name: str
    reason: str


class Result(TypedDict):
    """The return values."""

    changed: bool
    removed: list[str]
    opened: list[str]
    started: list[str]
    busy: list[str]
    failed_servers: list[Failed]
    rolled_back: bool


def take_away(names: Sequence[str]) -> None:
    """Stop servers for good; the token goes last, since it is what another run knows an unfinished removal by."""
    if not names:
        return
    # the socket before the server, so that nothing starts it again
    open_still = sorted((enabled() | listening()) & set(names))
    if open_still:
        order("disable", "--now", *(address(name) for name in open_still))
    stop(names)
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(TOKENS, name))


def take_all_away(check: bool) -> Result:
    """`take_away` for everyone, whoever they are, and the target that brings the sockets with the host."""
    names = sorted(with_tokens() | enabled() | listening() | set(running()))
    target = properties([TARGET], "ActiveState", "UnitFileState")
    is_there = any(of.get("ActiveState") == "active" or of.get("UnitFileState") == "enabled" for of in target)
    if not check:
        if is_there:
            order("disable", "--now", TARGET)
        take_away(names)
    return {**nothing(), "changed": bool(names) or is_there, "removed": names}


def nothing() -> Result:
    """What a run returns that changes nothing."""
    return {
        "changed": False,
        "removed": [],
        "opened": [],
        "started": [],
        "busy": [],
        "failed_servers": [],
        "rolled_back": False,
    }


def last_good() -> dict[str, str]:
    """The settings and the build that a server last ran with, as far as that is known."""
    with contextlib.suppress(ValueError):
        known = json.loads(read(LAST_GOOD))
        if isinstance(known, dict):
            return {str(name): str(value) for name, value in known.items()}
    return {}


def target_of(build: str | None) -> str:
    """The name of the directory that the link `build` leads to, or nothing."""
    return os.path.basename(os.readlink(build)) if build and os.path.islink(build) else ""


def start(names: Sequence[str], others: Sequence[str], settings: Sequence[str], build: str | None) -> Result:
    """Restart the servers of `names`. Where none of them comes up, try those of `others` until one does.

    For then the settings may be right and the homes at fault.
    """
    since, earlier = time.time(), invocations([*names, *others[:TRIES]])
    started, out_of_time = restart(names)
    tried = list(names)
    for name in others[:TRIES]:
        if started:
            break
        tried.append(name)
        started, out_of_time = restart([name])
    if started:
        write(LAST_GOOD, json.dumps({"revision": revision(settings), "build": target_of(build)}))
    broken = [name for name in tried if name not in started]
    # with nothing that has just begun another attempt, and not for ever: the next connection starts it
    stop(broken)
    failed: list[Failed] = []
    for name in broken:
        reason = f"it was not ready after {START_SECONDS} seconds"
        if not out_of_time:
            reason = last_words(name, since, earlier.get(name, ""))
        failed.append({"name": name, "reason": reason})
    return {**nothing(), "changed": bool(tried), "started": started, "failed_servers": failed}


def roll_back(build: str | None, names: Sequence[str]) -> bool:
    """Link to the build that servers last ran on, where that is another one, and start the servers on it."""
    before = last_good().get("build", "")
    if not build or not before or before == target_of(build):
        return False
    if not os.path.isdir(os.path.join(os.path.dirname(build), before)):
        return False
    link = f"{build}.before"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(link)
    os.symlink(before, link)
    os.replace(link, build)
    restart(names)
    return True


def settle(people: Sequence[str], settings: Sequence[str], build: str | None, check: bool) -> Result:
    """Bring the servers to the list of people."""
    reachable = enabled() & listening()
    gone = sorted((with_tokens() | enabled() | listening()) - set(people))
    closed = sorted(set(people) - reachable)
    since = in_use_since(settings, check)
    if not check:
        take_away(gone)
        if closed:
            order("enable", "--now", *(address(name) for name in closed))
    older = sorted(name for name, at in running().items() if at < since and name in people)
    at_work = busy(older)
    idle = [name for name in older if name not in at_work]
    others = sorted(set(people) - set(older))
    unproven = bool(people) and last_good().get("revision") != revision(settings)
    result = nothing()
    if check:
        result["changed"] = bool(idle) or (unproven and bool(others))
        result["started"] = idle
    elif idle or unproven:
        result = start(idle, others, settings, build)
        if not result["started"] and result["failed_servers"]:
            result["rolled_back"] = roll_back(build, [one["name"] for one in result["failed_servers"]])
    incomplete = not is_on(TARGET)
    if incomplete and not check:
        order("enable", "--now", TARGET)
    result["changed"] = bool(result["changed"] or gone or closed or incomplete)
    result["removed"], result["opened"], result["busy"] = gone, closed, at_work
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "people": {"type": "list", "elements": "str", "default": []},
            "settings": {"type": "list", "elements": "path", "default": []},
            "build": {"type": "path"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    people, settings, build = (module.params[name] for name in ("people", "settings", "build"))
    try:
        if module.params["state"] == "absent":
            module.exit_json(**take_all_away(module.check_mode))
        result = settle(people, settings, build, module.check_mode)
    except Refused as exc:
        module.fail_json(msg=str(exc))
    if result["failed_servers"] and not result["started"]:
        # no home is to blame where nobody's server comes up
        words = [
            "The JupyterLab of {name} does not come up: {reason}".format(**one) for one in result["failed_servers"]
        ]
        if result["rolled_back"]:
            words.append("The JupyterLab before this one is in use again.")
        module.fail_json(msg="\n".join(words), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
