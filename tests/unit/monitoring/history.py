"""An hour and a half of an office: what its hosts wrote once, made into a history in which counters grow.

What is in `demo/index.prom` a host wrote; `demo/jupyter.prom` is made up in the same form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent / "demo"
MINUTES = 90


def hosts() -> dict[str, str]:
    """What each host wrote: {host: text}."""
    return {path.stem: path.read_text() for path in sorted(HERE.glob("*.prom"))}


def end() -> float:
    """When that was."""
    return max(float(found[1]) for text in hosts().values() for found in re.finditer(_COLLECTED, text))


def openmetrics() -> str:
    """The history up to then, for `promtool tsdb create-blocks-from`."""
    return "".join(f"{line}\n" for line in _lines()) + "# EOF\n"


_COLLECTED = r"(?m)^wheelhouse_collected_timestamp_seconds (\S+)$"
_SAMPLE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")


def _lines() -> Iterator[str]:
    last = end()
    for host, text in hosts().items():
        counters = set(re.findall(r"(?m)^# TYPE (\S+) counter$", text))
        for match in filter(None, map(_SAMPLE.fullmatch, text.splitlines())):
            labels = ",".join(filter(None, (f'instance="{host}",job="wheelhouse-hosts"', match["labels"])))
            for minute in range(MINUTES):
                value = float(match["value"])
                if match["name"] in counters:  # more with each minute, and in waves
                    value = max(0.0, value) / 2 * (1 + minute / MINUTES) + minute % 7
                yield f"{match['name']}{{{labels}}} {value:.17g} {last - 60 * (MINUTES - 1 - minute):.0f}"
        for minute in range(MINUTES):
            yield f'up{{instance="{host}",job="wheelhouse-hosts"}} 1 {last - 60 * (MINUTES - 1 - minute):.0f}'
