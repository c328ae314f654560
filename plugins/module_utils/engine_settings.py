# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The settings `pypi_index_database` and `pypi_index_store`: what is wrong with them, and what the program reads.

With both, several gateways have one index. Roles of engines on hosts of the inventory fill in where these are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

DATABASE = "pypi_index_database"
STORE = "pypi_index_store"
DATABASE_EXAMPLE = "{host: db.acme.example, name: wheelhouse, username: wheelhouse, password: ...}"
STORE_EXAMPLE = "{endpoint: 'https://s3.acme.example', bucket: wheelhouse, access_key: ..., secret_key: ...}"
DATABASE_PORT = 5432
STORE_PORT = 8333
"""Where the role index_store has its server listen."""
REGION = "us-east-1"
"""What servers other than Amazon's take, whatever region they are in."""
_SECRETS = {DATABASE: "password", STORE: "secret_key"}
_EXAMPLES = {DATABASE: DATABASE_EXAMPLE, STORE: STORE_EXAMPLE}


def engine_faults(given: Mapping[str, object]) -> Iterator[str]:
    """A sentence per fault, beyond those of types and keys.

    given   the variables of a host, those that could be worked out
    """
    database, store = given.get(DATABASE), given.get(STORE)
    for name, other in ((DATABASE, STORE), (STORE, DATABASE)):
        if given.get(name) and not given.get(other):
            yield (
                f"{name} is set without {other}, and a gateway needs both or neither: write {other}: "
                f"{_EXAMPLES[other]} beside it, or take {name} out."
            )
    yield from _secret_faults(DATABASE, database)
    yield from _secret_faults(STORE, store)
    if isinstance(store, Mapping) and isinstance(store.get("endpoint"), str):
        yield from _endpoint_faults(str(store["endpoint"]))


def _secret_faults(name: str, value: object) -> Iterator[str]:
    key = _SECRETS[name]
    if isinstance(value, Mapping) and value.get(key) == "":
        yield f"{name}.{key} is empty: write the secret of the account, in the vault."


def _endpoint_faults(endpoint: str) -> Iterator[str]:
    path = urlsplit(endpoint).path
    if path.strip("/"):
        yield f"{STORE}.endpoint is {endpoint!r}: write the server's address alone, and the bucket in {STORE}.bucket."


def database_configuration(database: Mapping[str, object], database_hosts: Sequence[str]) -> str:
    """The content of database.json.

    database        pypi_index_database, without faults
    database_hosts  the hosts that the role index_database sets up: where it is, unless `host` says so
    """
    settings: dict[str, object] = {
        "host": database.get("host") or ",".join(database_hosts),
        "port": int(str(database.get("port") or DATABASE_PORT)),
        **{key: str(database[key]) for key in ("name", "username", "password")},
    }
    return _document(settings)


def store_configuration(store: Mapping[str, object], store_hosts: Sequence[str], cache_size: int) -> str:
    """The content of store.json.

    store           pypi_index_store, without faults
    store_hosts     the host that the role index_store sets up: where it is, unless `endpoint` says so
    cache_size      bytes of package files that a gateway keeps
    """
    there = [f"https://{host}:{STORE_PORT}" for host in store_hosts[:1]]
    settings: dict[str, object] = {
        "endpoint": str(store.get("endpoint") or (there or [""])[0]).rstrip("/"),
        "bucket": str(store["bucket"]),
        "prefix": str(store.get("prefix") or "").strip("/"),
        "region": str(store.get("region") or REGION),
        **{key: str(store[key]) for key in ("access_key", "secret_key")},
        "cache_size": cache_size,
    }
    return _document(settings)


def _document(settings: Mapping[str, object]) -> str:
    return json.dumps(settings, indent=4, sort_keys=True) + "\n"
