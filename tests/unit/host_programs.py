"""Programs of roles as they are on a host, in a directory of a test."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
JOB_RECORD = ROOT / "plugins/module_utils/job_record.py"


def install(program: str, directory: Path) -> Path:
    """Copy a program (a path below roles/) and the module that it imports; returns where the program is."""
    library = directory / "library"
    library.mkdir()
    shutil.copy(JOB_RECORD, library)
    source = (ROOT / "roles" / program).read_text(encoding="utf-8")
    text, replaced = re.subn(r'"/opt/wheelhouse/\w+"', repr(str(library)), source)
    assert replaced == 1, program
    copy = directory / Path(program).name
    copy.write_text(text, encoding="utf-8")
    return copy
