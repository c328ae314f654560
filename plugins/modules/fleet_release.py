# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_release
short_description: Make a signed release of the configuration of enrolled hosts
version_added: 0.2.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Works out the variables of each host in the group C(enrolled_hosts), with the secrets of those who work on it and no
    others, and encrypts them with C(age) to the host's key, C(fleet_key).
  - Packs the collections that a host needs, and signs the release once for each step of its rollout.
  - Runs on the controller and connects to no host. Needs C(age) and C(ssh-keygen) there.
options:
  published:
    description: What the index hosts serve now, of which the new release is the next.
    type: list
    elements: str
    default: []
  tokens:
    description: Tokens of the index, by login name and machine.
    type: dict
    required: true
  directory:
    description: The directory on the index hosts that serves the files.
    type: path
    required: true
  serial:
    description: How many hosts are added with each step, as a number or a share such as V(20%).
    type: str
    default: 100%
  signing_key:
    description: The file of the key that signs, or of its public half where ssh-agent has the key.
    type: path
    required: true
  signers:
    description: The public keys by which hosts go, one line each.
    type: list
    elements: str
    required: true
  version:
    description: The version of this collection.
    type: str
    required: true
attributes:
  check_mode:
    description: Does the same, since it changes nothing.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Make the release
  wheelhouse.onboarding.fleet_release:
    tokens: {ada: {ws-ada: "{{ vault_token }}"}}
    directory: /srv/wheelhouse/fleet/files
    signing_key: /home/admin/.ssh/wheelhouse-release
    signers: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICKmSW9vzRS9J2Oc3h7ORYkKO3qG3BSqbNM0IEcyMEmA release"]
    version: 0.1.0
  no_log: true
  register: release
"""

RETURN = r"""
number:
  description: The number of the release.
  type: int
  returned: success
  sample: 1800000000
names:
  description: The names of hosts, by what the release calls them.
  type: dict
  returned: success
files:
  description: What the index is to serve for hosts, encrypted, as entries for M(wheelhouse.onboarding.managed_files).
  type: list
  elements: dict
  returned: success
archive:
  description: The file on the controller with the collections.
  type: str
  returned: success
archive_sha256:
  description: Its SHA-256.
  type: str
  returned: success
steps:
  description: Of each step of the rollout, the C(release) and the signed C(envelope) that the index is to serve.
  type: list
  elements: dict
  returned: success
reporters:
  description: Lines for C(ssh-keygen), which say whose reports are whose.
  type: list
  elements: str
  returned: success
"""
