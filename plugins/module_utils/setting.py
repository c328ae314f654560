# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What is known of a setting; the table of them is settings.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict


class Option(TypedDict, total=False):
    """An option, as it stands in a role's argument_specs; the last two are ours."""

    type: str
    elements: str
    description: str | list[str]
    required: bool
    default: object
    choices: list[str]
    options: dict[str, Option]
    check: str | None
    on_command_line: bool  # people write it behind `-e`, where each value is text


@dataclass(frozen=True)
class Setting:
    """One setting, or one key of an entry of `wheelhouse_people`."""

    name: str
    type: str
    description: str
    example: str  # YAML that stands behind the name; more than one line begins with a line break
    elements: str | None = None
    choices: tuple[str, ...] = ()
    check: str | None = None  # what the value has to be, a name in value_checks.CHECKS
    required: bool = False
    secret: bool = False
    default: str = ""  # in words
    given: bool = True  # whether the example inventory sets it, or only shows it in a comment
    options: tuple[Setting, ...] = field(default=())

    def spec(self) -> Option:
        """The setting in the form of a role's argument_specs."""
        spec: Option = {"type": self.type, "description": self.description, "required": self.required}
        if self.elements:
            spec["elements"] = self.elements
        if self.choices:
            spec["choices"] = list(self.choices)
        if self.options:
            spec["options"] = {option.name: option.spec() for option in self.options}
        return spec
