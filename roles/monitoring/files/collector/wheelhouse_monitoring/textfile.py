"""The text format of Prometheus, and a file of it that is replaced as a whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Labels = Mapping[str, str]
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


@dataclass
class Family:
    """A metric with its samples."""

    name: str
    description: str
    kind: str = "gauge"
    samples: list[tuple[Labels, float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> Family:
        """Add a sample."""
        self.samples.append((labels, value))
        return self


def text(families: Iterable[Family]) -> str:
    """The families that have samples, as Prometheus reads them."""
    lines = []
    for family in families:
        if not family.samples:
            continue
        lines += [f"# HELP {family.name} {family.description}", f"# TYPE {family.name} {family.kind}"]
        for labels, value in family.samples:
            shown = ",".join(f'{name}="{clean(label)}"' for name, label in labels.items())
            lines.append(f"{family.name}{{{shown}}} {value:.17g}" if shown else f"{family.name} {value:.17g}")
    return "".join(f"{line}\n" for line in lines)


def clean(label: str) -> str:
    """A label, whatever somebody has put into a file."""
    return label.encode(errors="replace").decode()[:200].translate(_ESCAPED)


def replace(path: Path, content: str, mode: int = 0o644) -> None:
    """Write a file so that whoever reads it sees all of it. No link that lies in wait is followed; raises OSError."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
