# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: laptop_bundles
short_description: The archives of the role onboarding_bundle
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Returns an entry for M(wheelhouse.onboarding.reproducible_archive) for each person and each system.
  - The role onboarding_bundle is the way to use it, and its documentation says what the options mean.
options:
  _terms:
    description: The people.
    type: list
    elements: dict
    required: true
  role_path:
    description: The directory of the role onboarding_bundle.
    type: path
    required: true
  directory:
    description: The directory that holds the archives.
    type: str
    required: true
  state:
    description: V(absent) removes all archives.
    type: str
    choices: [present, absent]
    default: present
  index_url:
    description: The index's address without a path. Needed unless all archives are removed.
    type: str
    default: ''
  proxy:
    description: The proxy as C(host:port), or nothing.
    type: str
    default: ''
  no_proxy:
    description: Hosts, suffixes and networks that are reached directly.
    type: list
    elements: str
    default: []
  hosts:
    description: The Jupyter hosts by name, each with C(address) and C(host_key).
    type: dict
    default: {}
  conda_channels:
    description: The company's own conda channels, by name.
    type: list
    elements: str
    default: []
  contact:
    description: The address of the helpdesk.
    type: str
    default: ''
  tokens:
    description: Whether the index gives tokens, one of which is saved on the laptop instead of the password.
    type: bool
    default: false
  ca_bundle:
    description: The certificates of the company's CA, in PEM form.
    type: str
    default: ''
  public_certificates:
    description: The certificates that the controller trusts, in PEM form.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Write the archives
  wheelhouse.onboarding.reproducible_archive:
    archives: >-
      {{ query('wheelhouse.onboarding.laptop_bundles', {'name': 'ada', 'laptops': ['linux']}, role_path=role_path,
               directory='/srv/bundles', index_url='https://packages.acme.example') }}
"""

RETURN = r"""
_list:
  description: The archives.
  type: list
  elements: dict
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.laptop_bundles import (
    Archive,
    Company,
    archives,
    certificates_in,
)


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup, for Ansible."""

    def run(
        self, terms: Sequence[object], variables: Mapping[str, object] | None = None, **kwargs: object
    ) -> list[Archive]:
        self.set_options(var_options=variables, direct=kwargs)

        def option(name: str) -> Any:
            return native(self.get_option(name))

        people = native(terms)
        if not all(isinstance(person, Mapping) and "name" in person for person in people):
            raise AnsibleLookupError("laptop_bundles: the people must be dictionaries, each with a name.")
        company = Company(
            certificates=certificates_in(option("ca_bundle")),
            **{
                name: option(name)
                for name in (
                    *(
                        "index_url",
                        "proxy",
                        "no_proxy",
                        "hosts",
                        "conda_channels",
                        "contact",
                        "public_certificates",
                        "tokens",
                    ),
                )
            },
        )
        try:
            return archives(people, company, Path(option("role_path")), option("directory"), option("state"))
        except ValueError as exc:
            raise AnsibleLookupError(str(exc)) from exc
