# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: unread_settings
short_description: Find settings that their reader has not read yet
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Reports a change when a file is newer than what was made of it, so that a handler can be notified.
  - A handler that the task which writes a file notifies is lost when the run ends before its time,
    and the next run finds the file as it should be. This module goes by the times of the host, so the next run makes
    good for it.
options:
  paths:
    description:
      - The files. Of a directory, everything in it counts, and so does that a file is no longer there.
      - A path that does not exist counts for nothing.
    type: list
    elements: path
    required: true
  unit:
    description:
      - The systemd unit that reads them when it is started or reloaded.
      - One that does not run has nothing to read again.
    type: str
  at_start:
    description: The unit reads them only when it is started; a reload does not count.
    type: bool
    default: false
  product:
    description: The file that a program makes of them.
    type: path
attributes:
  check_mode:
    description: It only looks.
    support: full
  diff_mode:
    description: It only looks.
    support: none
"""

EXAMPLES = r"""
- name: Look for settings that nginx has not read
  wheelhouse.onboarding.unread_settings:
    paths: [/etc/nginx/conf.d]
    unit: nginx.service
  notify: Reload nginx
"""

RETURN = r"""
paths:
  description: The files and directories that are newer.
  type: list
  elements: str
  returned: always
  sample: [/etc/nginx/conf.d/wheelhouse.conf]
"""

import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule


def changed_at(path: str) -> float:
    """When a file or a directory was changed in any way, in seconds since the epoch; 0 where there is none."""
    try:
        return os.stat(path).st_ctime
    except FileNotFoundError:
        return 0.0


def everything(paths: Iterable[str]) -> Iterator[str]:
    """The paths, and what is below those that are directories."""
    for path in paths:
        yield path
        for directory, subdirectories, files in os.walk(path):
            for name in subdirectories + files:
                yield os.path.join(directory, name)


def read_at(module: AnsibleModule, unit: str, at_start: bool) -> float:
    """When a unit was started, or reloaded last, in seconds since the epoch; in the far future if it does not run."""
    event = "ActiveEnterTimestamp" if at_start else "StateChangeTimestamp"
    command = ["systemctl", "show", "--timestamp=us+utc", "--property=ActiveState", f"--property={event}", unit]
    _rc, shown, _stderr = module.run_command(command, environ_update={"LC_ALL": "C"})
    state = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    if state.get("ActiveState") != "active":
        return float("inf")
    since = datetime.strptime(state[event], "%a %Y-%m-%d %H:%M:%S.%f UTC")
    return since.replace(tzinfo=timezone.utc).timestamp()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "required": True},
            "unit": {"type": "str"},
            "at_start": {"type": "bool", "default": False},
            "product": {"type": "path"},
        },
        required_one_of=[("unit", "product")],
        mutually_exclusive=[("unit", "product")],
        supports_check_mode=True,
    )
    unit, product = module.params["unit"], module.params["product"]
    since = read_at(module, unit, module.params["at_start"]) if unit else changed_at(product)
    unread = sorted(path for path in everything(module.params["paths"]) if changed_at(path) > since)
    module.exit_json(changed=bool(unread), paths=unread)


if __name__ == "__main__":
    main()
