"""The cells of the table: what is tried always, and what only by the exhaustive form."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest
import yaml
from _pytest.mark.structures import ParameterSet
from company import ROOT
from people import PASSWORDS
from tools import TOOLS, Tool

MODES = ("relay", "direct")
"""The ways through the proxy, in the order in which they are tried: the demo's own is the last."""
PACKAGES = ("internal", "public")


@dataclass(frozen=True)
class Batch:
    """A tool in the hands of one person; both packages are installed into one environment, one after the other."""

    tool: Tool
    mode: str
    kind: str
    has_files: bool

    @property
    def slug(self) -> str:
        """A name for directories and projects."""
        words = (self.tool.name, self.mode)
        return "-".join(words).lower().replace(",", "").replace(" ", "-")


@dataclass(frozen=True)
class Cell:
    batch: Batch
    package: str

    def __str__(self) -> str:
        batch = self.batch
        files = "with files" if batch.has_files else "no files"
        return ", ".join((batch.tool.name, self.package, batch.mode, batch.kind, files))


def combinations(tool: Tool) -> list[tuple[str, str, bool]]:
    """(mode, kind of password, whether they have files) that make sense for a tool."""
    modes: tuple[str, ...] = MODES
    kinds, files = list(PASSWORDS), [False, True]
    if tool.shell == "kernel":  # on the Jupyter host, where only the demo's people are
        kinds, files = ["URL signs"], [False]
    if tool.shell == "docker":  # on a host of which people's way through the proxy says nothing
        modes = ("direct",)
    return list(product(modes, kinds, files))


def always(number: int, tool: Tool) -> list[tuple[str, str, bool]]:
    """Of the `combinations` those that are always tried: each mode once, and over all tools everything with everything."""
    there = combinations(tool)
    kinds = list(PASSWORDS)
    has_files = bool(number // 4 % 2) != bool(number % 2)
    wanted = [
        ("relay", kinds[number % 4], has_files),
        ("direct", kinds[(number + 1 + number // 4) % 4], not has_files),
    ]
    return [one for one in wanted if one in there] or [one for one in there if one[0] == "direct"]


def cells() -> list[ParameterSet]:
    """All, as parameters of a test, ordered by mode; those that take long are marked so."""
    relay = (
        "corporate_proxy_mode"
        in yaml.safe_load((ROOT / "roles/corporate_proxy/meta/argument_specs.yml").read_text())["argument_specs"][
            "main"
        ]["options"]
    )
    parameters = []
    for mode in MODES:
        missing = pytest.mark.skipif(mode == "relay" and not relay, reason="corporate_proxy knows no relay")
        for number, tool in enumerate(TOOLS):
            sample = always(number, tool)
            for combination in combinations(tool):
                if combination[0] != mode:
                    continue
                marks = [missing] if combination in sample else [missing, pytest.mark.long]
                for package in PACKAGES[:1] if tool.publishes else PACKAGES:
                    cell = Cell(Batch(tool, *combination), package)
                    parameters.append(pytest.param(cell, id=str(cell), marks=marks))
    return parameters
