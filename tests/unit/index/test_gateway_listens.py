"""Where the gateway listens, by what addresses its host has."""

from pathlib import Path

import pytest

from .nginx import Gateway
from .sites import SiteOfTests


@pytest.mark.parametrize(("addresses", "ports"), [([], 0), (["fe80::1"], 2)], ids=["no IPv6", "IPv6"])
def test_it_listens_on_ipv6_where_the_host_has_it(tmp_path: Path, addresses: list[str], ports: int) -> None:
    """Without IPv6 in its kernel, nginx would not start."""
    site = SiteOfTests(tmp_path / "site")
    gateway = Gateway(site, tmp_path / "gateway", ansible_facts={"all_ipv6_addresses": addresses})
    assert sum(where.startswith("[::]:") for where in gateway.listens) == ports
    assert {"80", f"{gateway.port} ssl"} <= set(gateway.listens)
