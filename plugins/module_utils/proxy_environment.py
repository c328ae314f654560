# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The corporate proxy as environment variables, for the account of a host and for each person on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypedDict

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.credentials import proxy_url
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind

MACHINE = "the machines"  # how reports name the account that the hosts share
MACHINE_FILE = "/etc/wheelhouse/proxy.env"
RELAY_FILES = ("/etc/wheelhouse/relay/haproxy.cfg", "/etc/wheelhouse/relay/password")
# corporate-password looks for this line before it saves a password
OWN_PASSWORD = "# corporate-password keeps the password\n"


class Person(TypedDict, total=False):
    """An entry of `corporate_proxy_people`."""

    name: str
    proxy_username: str | None
    proxy_password: str | None


class File(TypedDict, total=False):
    """A file for the module managed_files."""

    path: str
    owner: str
    content: str
    keep_passwords: bool
    state: str


class Login(TypedDict):
    """A login for the module proxy_auth_check."""

    name: str
    username: str
    password: str


def check_people(people: object) -> list[Person]:
    """The people, if they have the shape of `corporate_proxy_people`; raises ValueError otherwise."""
    if not isinstance(people, list):
        raise ValueError(f"The input is {kind(people)}, not a list: write it like corporate_proxy_people.")
    for number, person in enumerate(people):
        if not isinstance(person, Mapping) or not isinstance(person.get("name"), str):
            raise ValueError(f"Entry {number} of the input has no name: write it like corporate_proxy_people.")
    return people


def person_file(name: str) -> str:
    """The path of the file with a person's proxy environment."""
    return f"/etc/wheelhouse/people/{name}.env"


def environment(url: str = "", no_proxy: str = "", ca_store: str = "") -> str:
    """The variables, one a line. Shells, systemd and pam_env read them alike: nothing in them needs quotes.

    url         the proxy's URL, percent-encoded; empty for no proxy
    no_proxy    the value of NO_PROXY
    ca_store    a file of certificates, for tools that do not use the system's trust store; empty for none
    """
    lines = []
    if url:
        values = {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": no_proxy}
        lines += [f"{name}={value}" for name, value in values.items()]
        lines += [f"{name.lower()}={value}" for name, value in values.items()]
    if ca_store:
        lines += [f"{name}={ca_store}" for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")]
    return "".join(f"{line}\n" for line in lines)


def environment_files(
    people: Iterable[Person],
    proxy: str,
    no_proxy: str,
    username: str | None = None,
    password: str | None = None,
    relay: bool = False,
    ca_store: str = "",
    removed: Iterable[str] = (),
) -> list[File]:
    """The files with the proxy environments of the host and of each person, for the module managed_files.

    people      people with an account on the host
    proxy       the proxy, or the relay on the host, as `host:port` or a URL without credentials; empty for none
    no_proxy    the value of NO_PROXY
    username    the host's account at the proxy, with `password`
    relay       whether `proxy` is a relay, which needs no credentials
    ca_store    as for `environment`
    removed     names of people whose files are to be removed

    Raises ValueError for credentials that a URL cannot hold; the sentence names the person.
    """

    def content(who: str, username: str | None, password: str | None) -> str:
        if not proxy:
            return environment(ca_store=ca_store)
        try:
            url = proxy_url(proxy, *((None, None) if relay else (username, password)))
        except ValueError as exc:
            raise ValueError(f"The proxy environment of {who} cannot be written. {exc}") from exc
        return environment(url, no_proxy, ca_store)

    files: list[File] = [{"path": MACHINE_FILE, "content": content(MACHINE, username, password)}]
    for person in people:
        name, account = person["name"], person.get("proxy_username") or ""
        secret = person.get("proxy_password") or ""
        own = bool(account and not secret and not relay)
        text = content(name, account, secret)
        if own:
            text = OWN_PASSWORD + text.replace(":@", "@")
        files.append({"path": person_file(name), "owner": name, "keep_passwords": own, "content": text})
    files += [{"path": person_file(name), "state": "absent"} for name in removed]
    return files


def changed_logins(
    people: Iterable[Person],
    changed: Collection[str],
    username: str | None = None,
    password: str | None = None,
    relay: bool = False,
) -> list[Login]:
    """The logins at the proxy in files that change, for the module proxy_auth_check.

    people      people with an account on the host
    changed     paths of files that would be written
    username    the host's account at the proxy, with `password`
    relay       whether a relay logs in, with the host's account, for everyone

    A login without a user name or a password is none.
    """
    paths = RELAY_FILES if relay else (MACHINE_FILE,)
    found = list(_login(MACHINE, username, password)) if set(paths) & set(changed) else []
    for person in () if relay else people:
        if person_file(person["name"]) in changed:
            found += _login(person["name"], person.get("proxy_username"), person.get("proxy_password"))
    return found


def _login(name: str, username: str | None, password: str | None) -> Iterator[Login]:
    if username and password:
        yield {"name": name, "username": username, "password": password}


def setting_faults(settings: Mapping[str, object], relay_supported: bool, system: str) -> Iterator[str]:
    """Yield a sentence for each fault of the role corporate_proxy's variables, named without their prefix.

    relay_supported     whether the role can set up a relay on this host
    system              the host's distribution, for the sentence
    """
    prefix = "corporate_proxy_"
    region, regions = settings.get("region"), settings.get("regions") or {}
    relay = settings.get("mode") == "relay"
    if isinstance(regions, Mapping) and region is not None and region not in regions:
        yield (
            f"{prefix}region is {region}; write one of {', '.join(map(str, regions))}, or leave it out for the nearest."
        )
    if relay and not relay_supported:
        yield f"{prefix}mode is relay, which is not supported on {system}; write direct for its hosts."
    if not relay:
        yield from _latin1_faults(settings, prefix)
        return
    password = settings.get("password") or ""
    if regions and not (settings.get("username") and password):
        yield (
            f"{prefix}mode is relay, but {prefix}username or {prefix}password is missing; give the machines an account "
            "at the proxy (wheelhouse_proxy_username and wheelhouse_proxy_password), or write direct."
        )
    if settings.get("authentication") == "ntlm" and not all(" " <= letter <= "~" for letter in str(password)):
        yield (
            f"{prefix}password has a character outside ASCII, which px sends wrongly with NTLM; change the account's "
            "password to letters A to Z, digits, spaces and ASCII punctuation."
        )


def _latin1_faults(settings: Mapping[str, object], prefix: str) -> Iterator[str]:
    """requests sends the password in a proxy's URL as Latin-1, and fails with a traceback where it cannot."""
    people = settings.get("people")
    passwords = [(str(one["name"]), one.get("proxy_password")) for one in (people if isinstance(people, list) else [])]
    wrong = [name for name, password in passwords if _outside_latin1(password)]
    advice = "a character outside of Latin-1, such as €, which pip, twine and Poetry cannot send to a proxy; choose"
    if wrong:
        yield f"{prefix}people[].proxy_password of {', '.join(wrong)} has {advice} one without."
    if _outside_latin1(settings.get("password")):
        yield f"{prefix}password has {advice} one without."


def _outside_latin1(password: object) -> bool:
    return isinstance(password, str) and any(not " " <= letter <= "ÿ" for letter in password)
