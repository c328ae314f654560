"""Files of the repository that tools here write: written, or with --check compared."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def settle(files: Mapping[Path, str]) -> int:
    """Write the files, or with --check among the arguments print the differences; the exit code, 1 if there are any."""
    documentation = sys.modules["__main__"].__doc__
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where a file would change")
    options = parser.parse_args()
    changed = False
    for path, new in files.items():
        if not options.check:
            path.write_text(new, encoding="utf-8")
            continue
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        name = str(path.relative_to(ROOT))
        print("\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), name, "generated", lineterm="")))
        changed |= old != new
    return int(changed)
