# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: stray_settings
short_description: Find settings by which packages would not come from the company's index
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Looks for other indexes, channels, trusted hosts and proxies in the settings of pip, uv, Poetry and conda, in what
    pipx keeps of the packages it installed, and for the C(PIP_*), C(UV_*), C(POETRY_*) and C(CONDA_*) variables that
    mean the same in what shells and logins read.
  - Each is a warning with the file and the line, and never with the value, which may hold a password.
  - Everybody's files are read, and written, by a process that has become that person.
options:
  index_url:
    description: The index's address without a path. A setting that names it and nothing else is in order.
    type: str
    required: true
  channels:
    description: Names and addresses of conda channels that are in order beside those on the index.
    type: list
    elements: str
    default: []
  people:
    description: The accounts whose homes are looked at, besides the files for the whole machine.
    type: list
    elements: str
    default: []
  remove:
    description: >-
      Make comments of the lines. What is part of a longer command, or kept by pipx, is left for a person to change.
    type: bool
    default: false
attributes:
  check_mode:
    description: Reports what would be removed.
    support: full
  diff_mode:
    description: The lines may hold passwords.
    support: none
"""

EXAMPLES = r"""
- name: Nobody installs from elsewhere
  wheelhouse.onboarding.stray_settings:
    index_url: https://packages.acme.example
    people: [ada, leo]
    remove: true
"""

RETURN = r"""
settings:
  description: What was found.
  type: list
  elements: dict
  returned: always
  sample:
    - {path: /home/ada/.config/pip/pip.conf, line: 3, setting: extra-index-url, removed: true}
"""

import glob
import os
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.as_person import PersonError, account, as_person
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.stray import removed, stray_settings
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.whole_files import decode, encode, read, replace

CONDARC = [".condarc", "condarc", "condarc.d/*.yml", "condarc.d/*.yaml", ".mambarc"]
MACHINE = {
    "ini": ["/etc/xdg/pip/pip.conf", "/etc/pip.conf"],
    "toml": ["/etc/xdg/uv/uv.toml", "/etc/uv/uv.toml"],
    "condarc": [
        *(f"{place}/conda/{name}" for place in ("/etc", "/var/lib") for name in CONDARC),
        "/opt/*/.condarc",
        "/opt/*/.mambarc",
    ],
    "shell": [
        "/etc/profile",
        "/etc/profile.d/*.sh",
        "/etc/bash.bashrc",
        "/etc/zsh/zshenv",
        "/etc/zsh/zprofile",
        "/etc/zsh/zshrc",
    ],
    "environment": ["/etc/environment", "/etc/environment.d/*.conf"],
}
HOME = {
    "ini": [".config/pip/pip.conf", ".pip/pip.conf"],
    "toml": [".config/uv/uv.toml"],
    "poetry": [".config/pypoetry/config.toml"],
    "pipx": [f"{place}/venvs/*/pipx_metadata.json" for place in (".local/share/pipx", ".local/pipx")],
    # and those of installations in the home
    "condarc": [
        *(f"{place}/{name}" for place in (".conda", ".config/conda", "*") for name in CONDARC),
        ".condarc",
        ".mambarc",
    ],
    "shell": [".profile", ".bash_profile", ".bash_login", ".bashrc", ".bash_aliases", ".zshenv", ".zprofile", ".zshrc"],
    "environment": [".config/environment.d/*.conf"],
}


def look(places, index_url, channels, remove):
    """What is found in files that this process may read: [{path, line, setting, removable}].

    places      {form: patterns of absolute paths}
    remove      make comments of what can be removed
    """
    found = []
    for form, patterns in places.items():
        for path in sorted(path for pattern in patterns for path in glob.glob(pattern)):
            if not os.path.isfile(path):
                continue
            try:
                text = decode(read(path) or b"")
            except PermissionError:  # a link to somebody else's
                continue
            strays = stray_settings(text, form, index_url, channels)
            if remove and any(stray.removable for stray in strays):
                target = os.path.realpath(path)
                status = os.stat(target)
                replace(
                    target,
                    encode(removed(text, strays, form)),
                    stat.S_IMODE(status.st_mode),
                    status.st_uid,
                    status.st_gid,
                )
            found += [
                {"path": path, "line": stray.first + 1, "setting": stray.setting, "removable": stray.removable}
                for stray in strays
            ]
    return found


def main():
    module = AnsibleModule(
        argument_spec={
            "index_url": {"type": "str", "required": True},
            "channels": {"type": "list", "elements": "str", "default": []},
            "people": {"type": "list", "elements": "str", "default": []},
            "remove": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    index_url, remove = module.params["index_url"], module.params["remove"]
    channels = module.params["channels"]
    write = remove and not module.check_mode
    try:
        found = look(MACHINE, index_url, channels, write)
        for owner in filter(None, map(account, module.params["people"])):
            places = {
                form: [os.path.join(glob.escape(owner.pw_dir), path) for path in paths] for form, paths in HOME.items()
            }
            found += as_person(owner, lambda places=places: look(places, index_url, channels, write))
    except (PersonError, OSError) as exc:
        module.fail_json(msg=str(exc))
    for setting in found:
        setting["removed"] = setting.pop("removable") and remove
        done = "it is a comment now" if setting["removed"] else "remove it"
        module.warn(
            "{path}, line {line}: {setting} has packages come from elsewhere than {index}; {done}.".format(
                **setting, index=index_url, done=done
            )
        )
    module.exit_json(changed=any(setting["removed"] for setting in found), settings=found)


if __name__ == "__main__":
    main()
