"""Files of the repository that tools here write: written, or with --check compared."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def settle(files: Mapping[Path, str]) -> int:
    """Write the files, or with --check among the arguments print the differences; the exit code, 1 if there are any."""
    changed = False
    for path, new in files.items():
        if "--check" not in sys.argv[1:]:
            path.write_text(new, encoding="utf-8")
            continue
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        name = str(path.relative_to(ROOT))
        print("\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), name, "generated", lineterm="")))
        changed |= old != new
    return int(changed)
