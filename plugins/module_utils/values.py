# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Values as they come out of an inventory: made plain, and described in error texts without giving secrets away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.redaction import without_secrets

LONGEST_SHOWN = 60  # characters


def native(value: object) -> Any:
    """A copy of `value` in Python's own types: vaulted strings decrypted, lazy containers resolved, tags dropped."""
    if isinstance(value, Mapping):
        return {native(key): native(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [native(item) for item in value]
    if isinstance(value, str):
        return str(value)
    # Vaulted strings are no `str` in any version of Ansible, but have all of its methods, and decrypt in str().
    if hasattr(value, "casefold"):
        return native(str(value))
    return value


def kind(value: object) -> str:
    """What sort of thing a value is, in the words of someone who writes YAML: "a string", "a list", "nothing"..."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, date):
        return "a date"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "a " + type(value).__name__


def shown(value: object) -> str:
    """`value` for an error text: on one line, shortened, without the secrets of an address; containers only by kind."""
    if isinstance(value, str):
        text = without_secrets(value)
        return repr(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "...")
    if isinstance(value, (bool, int, float)):
        return repr(value)[:LONGEST_SHOWN]
    return f"{value}" if isinstance(value, date) else kind(value)
