# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: service
short_description: Run systemd units with the settings that are on disk now
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Starts, stops, enables and disables units, and restarts or reloads those whose files changed after they read them.
    One task does so for any number of units.
  - It compares times on the host and needs no handler. A handler is lost when a run is interrupted after the task that
    notified it; this module restarts the unit in the next run.
  - It writes and removes unit files and the programs that units run, and has systemd read changed units again.
options:
  services:
    description: The units. Those to be stopped are dealt with first; others in the order of the list.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The unit with its suffix, such as V(nginx.service) or V(backup.timer).
        type: str
        required: true
      state:
        description:
          - V(started) and V(stopped) are what they say. A unit that does not exist is stopped.
          - V(unchanged) neither starts nor stops the unit. If it is at work, it reads changed files again.
          - V(ran) is for a unit that does its work once. It is run in the background, unless it has done its work since
            O(services[].reads) changed. A run that began before the change is stopped and begun again.
        type: str
        choices: [started, stopped, unchanged, ran]
        default: started
      enabled:
        description: >-
          Whether it starts with the host. Without it, a unit that is V(started) is enabled, one that is V(stopped)
          disabled, and others are left alone. So is a unit without an C([Install]) section, which cannot be enabled.
        type: bool
      reads:
        description:
          - Files that the unit reads. Where one is newer than the unit's last start or reload, O(services[].on_change)
            is done.
          - Of a directory, everything below it counts, also that a file is no longer there. Missing paths are ignored.
        type: list
        elements: path
        default: []
      on_change:
        description: What makes the unit read O(services[].reads) again.
        type: str
        choices: [restart, reload]
        default: restart
      reads_at_start:
        description: >-
          Files that it reads when it is started and not when it is reloaded. Where one is newer than the start, the
          unit is restarted. Unit files that this task manages are among them, except those of timers, which systemd
          itself reads again.
        type: list
        elements: path
        default: []
      unit:
        description: What C(/etc/systemd/system/NAME) holds. The file is written before the unit is started.
        type: str
      validate:
        description: >-
          A command, as a list of words, that checks the files. It runs before the unit is started, restarted or
          reloaded. Where it fails, the unit stays as it is and the task fails.
        type: list
        elements: str
        default: []
      result:
        description: With O(services[].state=ran), a file that the unit writes at the end of its work.
        type: path
  units:
    description: Other unit files and drop-ins.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file, below C(/etc/systemd/system). Directories of drop-ins are made and removed with it.
        type: path
        required: true
      content:
        description: What it holds.
        type: str
        default: ''
      state:
        description: V(present) writes the file before units are started, V(absent) removes it after they are stopped.
        type: str
        choices: [present, absent]
        default: present
  files:
    description: >-
      Programs and settings that the units need, which belong to root. They are written before units are started, and
      removed after those are stopped. A changed one restarts a unit only where O(services[].reads) names it, too.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file, outside of C(/etc/systemd/system), in a directory that belongs to root.
        type: path
        required: true
      content:
        description: What it holds.
        type: str
        default: ''
      mode:
        description: Its permissions, as an octal number in quotes.
        type: str
        default: '0644'
      show:
        description: >-
          Show what changes in the file with C(--diff); passwords in URLs are replaced.
          Without it, the file is named, and nothing of what is in it shown.
        type: bool
        default: false
      state:
        description: Whether there is such a file.
        type: str
        choices: [present, absent]
        default: present
attributes:
  check_mode:
    description: Reports what would change. A unit that is not installed yet would be started.
    support: full
  diff_mode:
    description: Shows what changes in unit files, and in O(files) where O(files[].show) says so.
    support: full
"""

EXAMPLES = r"""
- name: Run nginx with its current configuration
  wheelhouse.onboarding.service:
    services:
      - name: nginx.service
        reads: [/etc/nginx/conf.d]
        on_change: reload
        validate: [nginx, -t, -q]
    units:
      - path: /etc/systemd/system/nginx.service.d/limits.conf
        content: |
          [Service]
          LimitNOFILE=32768

- name: Back up once a day
  wheelhouse.onboarding.service:
    services:
      - name: backup.timer
        unit: "{{ lookup('ansible.builtin.file', 'backup.timer') }}"
    units:
      - path: /etc/systemd/system/backup.service
        content: "{{ lookup('ansible.builtin.file', 'backup.service') }}"
    files:
      - path: /usr/local/sbin/backup
        content: "{{ lookup('ansible.builtin.file', 'backup') }}"
        mode: '0755'

- name: Remove the backup timer
  wheelhouse.onboarding.service:
    services:
      - name: backup.timer
        state: stopped
    units:
      - {path: /etc/systemd/system/backup.timer, state: absent}
      - {path: /etc/systemd/system/backup.service, state: absent}
    files:
      - {path: /usr/local/sbin/backup, state: absent}
"""

RETURN = r"""
started:
  description: Units that were started.
  type: list
  elements: str
  returned: always
  sample: [nginx.service]
stopped:
  description: Units that were stopped.
  type: list
  elements: str
  returned: always
  sample: [nginx.service]
restarted:
  description: Units that were restarted.
  type: list
  elements: str
  returned: always
  sample: [nginx.service]
reloaded:
  description: Units that were reloaded.
  type: list
  elements: str
  returned: always
  sample: [nginx.service]
enabled:
  description: Units that start with the host from now on.
  type: list
  elements: str
  returned: always
  sample: [nginx.service]
disabled:
  description: Units that no longer start with the host.
  type: list
  elements: str
  returned: always
  sample: [nginx.service]
units:
  description: Unit files that were written or removed.
  type: list
  elements: str
  returned: always
  sample: [/etc/systemd/system/nginx.service.d/limits.conf]
files:
  description: Other files that were written or removed.
  type: list
  elements: str
  returned: always
  sample: [/usr/local/sbin/backup]
newer:
  description: For each unit that was restarted or reloaded, the files that were newer.
  type: dict
  returned: always
  sample: {nginx.service: [/etc/nginx/conf.d/site.conf]}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.services import Host
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.systemd import SystemdError


def main() -> None:
    paths: dict[str, Any] = {"type": "list", "elements": "path", "default": []}
    module = AnsibleModule(
        argument_spec={
            "services": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "state": {
                        "type": "str",
                        "choices": ["started", "stopped", "unchanged", "ran"],
                        "default": "started",
                    },
                    "enabled": {"type": "bool"},
                    "reads": paths,
                    "on_change": {"type": "str", "choices": ["restart", "reload"], "default": "restart"},
                    "reads_at_start": paths,
                    "unit": {"type": "str"},
                    "validate": {"type": "list", "elements": "str", "default": []},
                    "result": {"type": "path"},
                },
            },
            "units": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "default": ""},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                },
            },
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "default": "", "no_log": True},
                    "mode": {"type": "str", "default": "0644"},
                    "show": {"type": "bool", "default": False},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                },
            },
        },
        supports_check_mode=True,
    )
    module.no_log_values -= {file["content"] for file in module.params["files"] if file["show"]}

    def run(command: list[str]) -> tuple[int, str, str]:
        try:
            code, output, error = module.run_command(command, environ_update={"LC_ALL": "C"}, handle_exceptions=False)
        except OSError as exc:
            return 127, "", f"{command[0]}: {exc.strerror}"
        return code, output, error

    host = Host(run, module.check_mode)
    try:
        host.settle(module.params["services"], module.params["units"], module.params["files"])
    except (SystemdError, OSError) as exc:
        module.fail_json(msg=str(exc), changed=host.changed, newer=host.newer, **host.done)
    module.exit_json(changed=host.changed, newer=host.newer, diff=host.diff, **host.done)


if __name__ == "__main__":
    main()
