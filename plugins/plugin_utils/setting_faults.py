# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""A role's variables against its argument_specs.yml, on the controller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import yaml
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_names import Spec, role_options
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_roles import role_faults
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.settings import Option
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.spec_checks import advice_for, value_faults

ROLES = Path(__file__).resolve().parents[2] / "roles"


@cache
def options_of(role: str) -> dict[str, Option]:
    """The variables of a role; raises OSError where there is no such role."""
    text = (ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    content = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return role_options({role: Spec(argument_specs=content["argument_specs"], text=text)})


def setting_faults(settings: Mapping[str, object], role: str, required: Sequence[str] = ()) -> list[str]:
    """A sentence per fault; raises OSError where there is no such role."""
    return list(dict.fromkeys(_faults(settings, options_of(role), required)))


def _faults(settings: Mapping[str, object], options: Mapping[str, Option], required: Sequence[str]) -> Iterator[str]:
    for name, value in settings.items():
        if name not in options:
            continue
        if value is None or value == "":
            if name in required:
                yield f"{name} is not set: {advice_for(options[name], name)}."
        else:
            yield from value_faults(value, options[name], name)
    yield from role_faults(settings, None, str(settings.get("package_intake_files", "")))
