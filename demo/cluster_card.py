"""Print what to look at in the demo of several gateways.

python cluster_card.py STATE_DIRECTORY
"""

from __future__ import annotations

import argparse
from pathlib import Path

CARD = """
    An index without a single point of failure
    ──────────────────────────────────────────
    Index         https://localhost:8856  (its CA: {state}/ca.pem)
    People        ada may publish acme-*, leo may install; passwords are in {state}/vault.json
    Workstation   docker exec -it wheelhouse-workstation-cluster su - ada
    Gateways      docker kill wheelhouse-gateway-1-cluster     people go on with the other one
                  docker start wheelhouse-gateway-1-cluster
    Balancers     docker exec wheelhouse-balancer-1-cluster ip address show eth0     who has 198.51.100.10
    Database      ansible-playbook -i inventories/demo-cluster playbooks/promote_database.yml
                  ansible-playbook -i inventories/demo-cluster site.yml     the former primary becomes a standby
                  (both with WHEELHOUSE_DEMO=cluster in the environment)
    Again         make demo-cluster         Away    make demo-cluster-down
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path, metavar="STATE_DIRECTORY")
    print(CARD.format(state=parser.parse_args().state))
