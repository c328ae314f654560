# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: nearest_proxy
short_description: Choose the proxy that is nearest to a host
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Measures on the host how long a TCP connection to each proxy takes, and chooses the fastest of those that answer.
  - The choice is kept in a file, and stays for as long as that proxy answers, so that a host does not wander between
    proxies from run to run.
options:
  path:
    description: >-
      The file with the choice, the name of a region. Its directory is created where it is missing. Delete the file to
      have the host choose again.
    type: path
    required: true
  regions:
    description: The proxies, a dictionary of region names and C(host:port), C(http://host:port) or C(https://host:port).
    type: dict
    required: true
attributes:
  check_mode:
    description: Measures, and writes nothing.
    support: full
  diff_mode:
    description: Shows the region before and after.
    support: full
"""

EXAMPLES = r"""
- name: Select the nearest proxy
  wheelhouse.onboarding.nearest_proxy:
    path: /etc/wheelhouse/proxy-region
    regions:
      europe: proxy-eu.acme.example:8080
      pacific: proxy-ap.acme.example:8080
"""

RETURN = r"""
region:
  description: The name of the chosen region; where no proxy answers, the one before or the first.
  type: str
  returned: always
  sample: europe
milliseconds:
  description: How long a connection to each proxy took, the median of three. Those that did not answer are left out.
  type: dict
  returned: always
  sample: {europe: 2.1, pacific: 210.4}
"""

import os
import socket
import statistics
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.atomic_write import read, replace
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.hosts import host_and_port

TIMEOUT = 3  # seconds after which a proxy counts as one that does not answer


def milliseconds(server: str) -> float | None:
    """How long a connection to `server` takes, the median of three, or None where there is no answer."""
    taken = []
    try:
        for _attempt in range(3):
            start = time.monotonic()
            with socket.create_connection(host_and_port(server), TIMEOUT):
                taken.append(1000 * (time.monotonic() - start))
    except (OSError, ValueError):
        return None
    return statistics.median(taken)


def choose(regions: Iterable[str], before: str, taken: dict[str, float]) -> str:
    """The region to use: `before` while it answers, else the fastest that does."""
    if before in taken:
        return before
    if taken:
        return min(taken, key=lambda region: taken[region])
    return before if before in regions else next(iter(regions))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "regions": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    path, regions = module.params["path"], module.params["regions"]
    if not regions:
        module.fail_json(msg="regions is empty; write at least one, as {europe: 'proxy.acme.example:8080'}.")
    with ThreadPoolExecutor(len(regions)) as pool:
        answers = pool.map(milliseconds, regions.values())
        taken = {region: round(answer, 1) for region, answer in zip(regions, answers) if answer is not None}
    before = (read(path) or b"").decode(errors="replace").strip()
    region = choose(regions, before, taken)
    if not taken:
        module.warn("None of the proxies answers this host: {}.".format(", ".join(regions.values())))
    changed = region != before
    if changed and not module.check_mode:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        replace(path, region.encode() + b"\n", 0o644, os.geteuid(), os.getegid())
    diff = {"before": before + "\n", "after": region + "\n", "before_header": path, "after_header": path}
    module.exit_json(changed=changed, region=region, milliseconds=taken, diff=diff)


if __name__ == "__main__":
    main()
