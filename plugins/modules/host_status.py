# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: host_status
short_description: Report what the collection knows of a host
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Reads how unattended jobs and C(site.yml) went, which units failed, when certificates end, and on an index host
    which image runs and when people last used the index.
  - It changes nothing, and reads nothing that people own.
attributes:
  check_mode:
    description: It reads only, and does the same.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Read the status of the host
  wheelhouse.onboarding.host_status:
  register: status
"""

RETURN = r"""
status:
  description: What was found; what a host does not have is empty.
  type: dict
  returned: always
  contains:
    runs:
      description: The last run of each job, and of C(site), by name.
      type: dict
    failed_units:
      description: Units of systemd that failed.
      type: list
      elements: str
    certificates:
      description: The day on which the certificates of a file end, by file.
      type: dict
    image:
      description: What the image of the index was built from, as a SHA-256.
      type: str
    last_uploads:
      description: When people last published something, by name.
      type: dict
    last_logins:
      description: The day of people's last successful request to the index, by name; only with monitoring.
      type: dict
    heartbeats:
      description: On an index host, the last report of each host that pulls its configuration, by name.
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.host_status import host_status


def main() -> None:
    module = AnsibleModule({}, supports_check_mode=True)
    module.exit_json(changed=False, status=host_status())


if __name__ == "__main__":
    main()
