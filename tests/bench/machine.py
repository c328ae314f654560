"""What the benchmark runs on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def describe() -> str:
    """Processor, memory, kernel and how much the machine has to do already, in one line."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processors = f"{os.cpu_count()} x {model[1] if model else platform.machine()}"
    busy = f"load average {os.getloadavg()[1]:.1f} before the run"
    return f"{processors}, {memory:.0f} GiB, Linux {platform.release()}, {busy}"
