"""What the benchmark runs on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def describe() -> str:
    """Processor, memory and kernel in one line."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} x {model[1] if model else platform.machine()}, {memory:.0f} GiB, Linux {platform.release()}"
    )
