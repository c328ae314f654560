# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What an account's name or password has to be for the place that takes it, beyond what HTTP can carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.htpasswd import NAME


def index_name_faults(username: object, where: str) -> Iterator[str]:
    """Of a name of an account at the index, which stands in a file of lines `name:hash`."""
    if isinstance(username, str) and username and not NAME.fullmatch(username):
        yield (
            f"{where} is no name that the index can keep: write letters, digits, '.', '_', '-', '@' and '+', beginning "
            "with a letter or digit, such as machines."
        )


def header_name_faults(username: object, where: str) -> Iterator[str]:
    """Of a name of an account at a proxy."""
    if isinstance(username, str) and username != username.strip():
        yield f"{where} begins or ends with white space: write the account's name without."


def _password_faults(password: object, where: str) -> Iterator[str]:
    """Of one that programs send themselves, as Latin-1 alone; of control characters, others tell."""
    if isinstance(password, str) and any(letter > "ÿ" and not "\ud800" <= letter <= "\udfff" for letter in password):
        yield (
            f"{where} has a character outside Latin-1 in it, such as the sign of the euro, which pip, twine and Poetry "
            "cannot send to a proxy: have it changed to one without."
        )


def role_account_faults(given: Mapping[str, object]) -> Iterator[str]:
    """Yield a sentence per fault of the accounts that a host is given, by variables of roles or shared settings.

    Where the host has no relay, which sends any password, programs send it themselves.
    """
    for name in ("pypi_index_machine_username", "package_client_machine_username"):
        yield from index_name_faults(given.get(name), name)
    yield from header_name_faults(given.get("corporate_proxy_username"), "corporate_proxy_username")
    proxy, people = given.get("wheelhouse_proxy"), given.get("wheelhouse_people")
    shared = proxy.get("mode") if isinstance(proxy, Mapping) else None
    if given.get("corporate_proxy_mode", shared) == "relay":
        return
    yield from _password_faults(given.get("corporate_proxy_password"), "corporate_proxy_password")
    if not isinstance(proxy, Mapping):
        return
    yield from _password_faults(given.get("wheelhouse_proxy_password"), "wheelhouse_proxy_password")
    for person in people if isinstance(people, list) else []:
        if isinstance(person, Mapping) and person.get("state") != "absent":
            where = f"wheelhouse_people[{person.get('name')}].proxy_password"
            yield from _password_faults(person.get("proxy_password"), where)
