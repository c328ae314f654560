"""How many processors this process may use: those it is bound to, or fewer where its container has a limit on time."""

import contextlib
import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def available(cgroup: Path = _CGROUP) -> int:
    """At least 1."""
    bound = len(os.sched_getaffinity(0))
    return max(1, min(bound, math.ceil(_quota(cgroup) or bound)))


def _quota(cgroup: Path) -> float | None:
    """Processors' worth of time that the container gets; None for no limit."""
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (cgroup / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):  # the older form of control groups
        quota, period = ((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else None
    return None
