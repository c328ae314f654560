"""Print the access card of a demo: where things are and what to try.

python card.py STATE_DIRECTORY
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def card(access: dict[str, Any], file: Path) -> str:
    """The card as text; passwords stay in `file`."""
    hosts = access["hosts"]
    rights = {person["name"]: ", ".join(person["publishes"]) or "nothing" for person in access["people"]}
    people = "\n".join(f"      {name:<6} may publish {what}" for name, what in rights.items())
    someone = next(iter(rights))
    return f"""
    A working office
    ────────────────
    Index         {access["index_url"]}  (its CA: {access["ca_file"]})
    Public ones   {access["report_url"]}  what was let in, and what was kept back
    People        passwords are in {file}
{people}
    Workstation   docker exec -it {hosts["workstation"]} su - {someone}
      there       python3 -m venv venv && venv/bin/pip install idna
                  uv venv && uv pip install idna
                  conda create -n orange orange3
                  jupyter-tunnel --no-browser
    Proxy's log   docker exec {hosts["proxy"]} tail -f /var/log/squid/access.log
    Again         make demo         Away    make demo-down
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path, metavar="STATE_DIRECTORY")
    state = parser.parse_args().state
    print(card(json.loads((state / "access.json").read_text()), state / "access.json"))
