"""Where the index's program listens is one place, whoever names it."""

from pathlib import Path

import yaml

ROLES = Path(__file__).parents[3] / "roles"
PROGRAM = ROLES / "pypi_index/files/wheelhouse"


def variables(role: str) -> dict[str, str]:
    return yaml.safe_load((ROLES / role / "vars/main.yml").read_text(encoding="utf-8"))


def test_the_gateway_asks_where_the_program_listens() -> None:
    socket = variables("pypi_index")["__pypi_index_socket"]
    assert variables("index_gateway")["__index_gateway_program"] == socket
    assert f'"unix:{socket}"' in (PROGRAM / "src/wheelhouse/config.py").read_text(encoding="utf-8")
    assert str(Path(socket).parent) in (PROGRAM / "Dockerfile").read_text(encoding="utf-8")
