"""The program's clock, held still."""

import sys
from datetime import datetime

from wheelhouse.index import events

_real = events.now


def hold(at: str) -> None:
    """Have it be `at` (like `Event.time`) from now on, in every module that was loaded."""
    datetime.fromisoformat(at)
    for name, module in list(sys.modules.items()):
        if name.startswith("wheelhouse.") and callable(getattr(module, "now", None)):
            module.now = lambda: at


def let_go() -> None:
    """Have it go on."""
    for name, module in list(sys.modules.items()):
        if name.startswith("wheelhouse.") and callable(getattr(module, "now", None)):
            module.now = _real
