#!/usr/bin/env python3
"""An inventory to copy: workstations from a table of machines, for example as a CMDB exports it.

It stands beside hosts.yml, is executable, and reads machines.csv in the same directory, with the columns
`name,address,system,stage`. Machines whose system is not Debian are left out, and those whose stage is `retired`.
`stage` is `canary` for those that get changes first.
"""

import csv
import json
from pathlib import Path

TABLE = Path(__file__).with_name("machines.csv")


def main() -> None:
    """Print the inventory. Ansible asks once, with --list, since the variables of all hosts are in the answer."""
    with TABLE.open(encoding="utf-8", newline="") as table:
        machines = [row for row in csv.DictReader(table) if row["system"] == "debian" and row["stage"] != "retired"]
    inventory = {
        "workstations": {"hosts": [row["name"] for row in machines]},
        "canaries": {"hosts": [row["name"] for row in machines if row["stage"] == "canary"]},
        "_meta": {"hostvars": {row["name"]: {"ansible_host": row["address"]} for row in machines if row["address"]}},
    }
    print(json.dumps(inventory, indent=1))


if __name__ == "__main__":
    main()
