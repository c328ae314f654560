# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The archives with which people set up laptops that Ansible does not reach: what is in them, for which system.

Templates and programs come from the role onboarding_bundle, the settings of pip, uv and conda from client_settings.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

import jinja2
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.credentials import proxy_url
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.no_proxy import no_proxy
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils import client_settings

SYSTEMS = ("windows", "linux", "macos")
CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
OTHER_CHANNELS = ("conda-forge",)
SESSIONS = "HKEY_CURRENT_USER\\Software\\SimonTatham\\PuTTY\\Sessions\\wheelhouse-"
# one program on the laptop, since its script engine cannot include files
SETUP = (
    *("start", "files", "atomic-write", "managed-block", "netrc", "registry", "certificates", "passwords", "jupyter"),
    *("sources", "other-sources", "commands"),
)

Host = Mapping[str, str]  # its `address` and, where it is known, its `host_key`
Values = dict[str, str]


class File(TypedDict):
    """A file in an archive, as the module reproducible_archive takes it."""

    name: str
    mode: str
    content: str


class Archive(TypedDict, total=False):
    """An archive, as the module reproducible_archive takes it."""

    path: str
    folder: str
    files: list[File]
    state: str


class Certificate(TypedDict):
    """A certificate of the company's CA."""

    file: str
    sha1: str
    pem: str


@dataclass(frozen=True)
class Company:
    """What is the same for all people."""

    index_url: str
    proxy: str  # host:port, or nothing
    no_proxy: Sequence[str]
    hosts: Mapping[str, Host]  # the Jupyter hosts by name
    conda_channels: Sequence[str]
    contact: str
    certificates: Sequence[str]  # of the company's CA, in PEM form
    public_certificates: str  # what the controller trusts, or nothing
    tokens: bool = False  # whether the index gives tokens, which are saved in a password's place

    @property
    def index_host(self) -> str:
        return urlsplit(self.index_url).hostname or ""

    @property
    def all_channels(self) -> list[str]:
        return [*self.conda_channels, *OTHER_CHANNELS]

    @property
    def conda_store(self) -> str:
        """The certificates that conda on Windows trusts: it forgets the system's store as soon as there is a proxy."""
        if not (self.proxy and self.certificates and self.public_certificates):
            return ""
        return "".join(f"{text.strip()}\n" for text in [self.public_certificates, *self.certificates])


class Sources:
    """The role's files, of which those whose names end in .j2 are templates."""

    def __init__(self, role: Path) -> None:
        self._files = role / "files"
        self._tunnel = role.parent / "jupyter_tunnel" / "files" / "jupyter-tunnel"
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self._files),
            trim_blocks=True,
            keep_trailing_newline=True,
            undefined=jinja2.StrictUndefined,
        )
        self._templates.filters["quote"] = shlex.quote

    def read(self, name: str) -> str:
        return (self._files / name).read_text(encoding="utf-8")

    def names(self, directory: str) -> list[str]:
        return sorted(path.name for path in (self._files / directory).iterdir() if path.is_file())

    def tunnel(self) -> str:
        """The program jupyter-tunnel, which managed workstations have, too."""
        return self._tunnel.read_text(encoding="utf-8")

    def render(self, template: str, values: Mapping[str, object]) -> str:
        return self._templates.get_template(f"{template}.j2").render(values)


def certificates_in(pem: str) -> list[str]:
    return CERTIFICATE.findall(pem)


def archives(
    people: Sequence[Mapping[str, object]], company: Company, role: Path, directory: str, state: str = "present"
) -> list[Archive]:
    """An archive for each person and system, and the removal of those that nobody needs.

    people      as the role's option has them
    role        the directory of the role
    directory   where the archives are
    state       'absent' removes all of them
    """
    sources = Sources(role)
    found: list[Archive] = []
    for system in SYSTEMS:
        for person in people:
            name = person["name"]
            archive: Archive = {"path": f"{directory}/{name}-{system}.{'zip' if system == 'windows' else 'tar.gz'}"}
            laptops = person.get("laptops") or []
            wanted = isinstance(laptops, (list, tuple)) and system in laptops and person.get("state") != "absent"
            if state == "absent" or not wanted:
                archive["state"] = "absent"
            elif system == "windows":
                archive["files"] = list(_windows(person, company, sources))
            else:
                archive["folder"] = f"{name}-{system}"
                archive["files"] = list(_posix(person, system, company, sources))
            found.append(archive)
    return found


def _hosts_of(person: Mapping[str, object], company: Company) -> dict[str, Host]:
    """The Jupyter hosts of a person, the one with their JupyterLab first."""
    if not person.get("jupyter"):
        return {}
    first = str(person.get("jupyter_host") or "")
    return dict(sorted(company.hosts.items(), key=lambda host: host[0] != first))


def _proxy_username(person: Mapping[str, object], company: Company) -> str:
    return str(person.get("proxy_username") or "") if company.proxy else ""


def _file(name: str, content: str, mode: str = "0644") -> File:
    return {"name": name, "mode": mode, "content": content}


def known_hosts(hosts: Mapping[str, Host]) -> str:
    """The keys of hosts for SSH."""
    return "".join(f"{name} {_key(host)}\n" for name, host in hosts.items() if host["host_key"])


def _key(host: Host) -> str:
    return " ".join(host["host_key"].split()[:2])


def ssh_config(name: str, hosts: Mapping[str, Host], known: str, alias: str = "") -> str:
    """The settings of SSH for hosts.

    name    the person's account there
    known   where the keys of hosts are
    alias   one more name for the first host
    """
    lines = ["# The Jupyter hosts, with the keys that IT made known, so that nobody has to trust one on first use."]
    for number, (host_name, host) in enumerate(hosts.items()):
        names = [alias] if alias and number == 0 else []
        lines.append(f"Host {' '.join(dict.fromkeys([*names, host_name, host['address']]))}")
        lines += [f"    HostName {host['address']}", f"    User {name}"]
        if host["host_key"]:
            lines += [f"    HostKeyAlias {host_name}", f"    UserKnownHostsFile {known}"]
            lines.append("    StrictHostKeyChecking yes")
    return "\n".join(lines) + "\n"


def _posix(person: Mapping[str, object], system: str, company: Company, sources: Sources) -> Iterator[File]:
    """What Linux and macOS get: the same program, which finds out where it runs."""
    hosts = _hosts_of(person, company)
    values = {
        "person": person,
        "system": system,
        "hosts": hosts,
        "contact": company.contact or "IT",
        "proxy_username": _proxy_username(person, company),
        "proxy": company.proxy,
        "no_proxy": no_proxy(list(company.no_proxy))[0],
        "index_url": company.index_url,
        "index_host": company.index_host,
        "tokens": company.tokens,
        "certificates": company.certificates,
        "conda_channels": company.all_channels,
    }
    for name in ("install.sh", "uninstall.sh"):
        yield _file(name, sources.read(f"posix/{name}"), "0755")
    for name in sources.names("posix/program"):
        yield _file(f"program/{name}", sources.read(f"posix/program/{name}"))
    yield _file("settings", sources.render("posix/settings", values))
    yield _file("README.html", sources.render("posix/readme.html", values))
    # the store is made on the laptop, of what it trusts and the company's CA
    store = "~/.config/wheelhouse/ca-bundle.pem" if company.certificates else ""
    yield _file("condarc.yml", client_settings.condarc(company.index_url, company.conda_channels, OTHER_CHANNELS))
    yield _file("pip.conf", client_settings.pip_conf(company.index_url, store))
    yield _file("uv.toml", client_settings.uv_toml(company.index_url))
    if company.certificates:
        yield _file("ca.pem", "\n".join(company.certificates) + "\n")
    if hosts:
        config = ssh_config(str(person["name"]), hosts, "~/.config/wheelhouse/known_hosts")
        yield _file("ssh_config", config)
        yield _file("known_hosts", known_hosts(hosts))
        yield _file("jupyter-tunnel.json", json.dumps({"hosts": list(hosts)}, indent=4) + "\n")
        yield _file("bin/jupyter-tunnel", sources.tunnel(), "0755")


def _windows(person: Mapping[str, object], company: Company, sources: Sources) -> Iterator[File]:
    """What Windows gets. Commands, and what people may open in an editor, have that system's ends of lines."""
    name, hosts = str(person["name"]), _hosts_of(person, company)
    proxy = proxy_url(company.proxy) if company.proxy else ""
    certificates = [_certificate(number, pem) for number, pem in enumerate(company.certificates, 1)]
    variables = _variables(name, company, proxy)
    values: dict[str, object] = {
        "person": person,
        "index_host": company.index_host,
        "tokens": company.tokens,
        "hosts": hosts,
        "proxy_username": _proxy_username(person, company),
        "contact": company.contact or "IT",
        "ask": f"Ask {company.contact}." if company.contact else "Ask IT.",
        "conda_store": bool(company.conda_store),
        "certificates": certificates,
        "proxy": proxy,
        "jupyter_port": jupyter_port(name, hosts),
    }
    settings = {
        "name": name,
        "index_url": company.index_url,
        "index_host": company.index_host,
        "tokens": company.tokens,
        "proxy": proxy,
        "proxy_username": values["proxy_username"],
        "jupyter_port": values["jupyter_port"],
        "environment": variables,
        "conda_channels": company.all_channels,
        "sessions": [f"wheelhouse-{host}" for host in hosts],
        "certificates": [{"file": one["file"], "sha1": one["sha1"]} for one in certificates],
    }
    program = "".join(sources.read(f"windows/setup/{part}.js") + "\n" for part in SETUP)
    store = "%LOCALAPPDATA%\\wheelhouse-onboarding\\ca-bundle.pem" if company.conda_store else "truststore"
    for command in ("README.html", "install.cmd", "uninstall.cmd"):
        yield _crlf(command, sources.render(f"windows/{command}", values))
    yield _crlf("setup.js", f"var settings = {json.dumps(settings)};\n\n{program}")
    # the store of the system is what pip looks at
    yield _crlf("pip.ini", client_settings.pip_conf(company.index_url))
    yield _crlf("uv.toml", client_settings.uv_toml(company.index_url))
    condarc = client_settings.condarc(company.index_url, company.conda_channels, OTHER_CHANNELS, ssl_verify=store)
    yield _crlf("condarc", condarc)
    yield _crlf("env.reg", registry({"HKEY_CURRENT_USER\\Environment": variables}))
    for certificate in certificates:
        yield _crlf(certificate["file"], certificate["pem"] + "\n")
    if company.conda_store:
        yield _crlf("ca-bundle.pem", company.conda_store)
    if hosts:
        yield _crlf("putty.reg", registry({f"{SESSIONS}{host}": _session(name, one) for host, one in hosts.items()}))
        yield _crlf("jupyter.cmd", sources.render("windows/jupyter.cmd", values))
        yield _file("ssh_config", ssh_config(name, hosts, "~/.ssh/wheelhouse_known_hosts", "jupyter"))
        yield _file("known_hosts", known_hosts(hosts))


def _crlf(name: str, content: str) -> File:
    return _file(name, content.replace("\n", "\r\n"))


def _certificate(number: int, pem: str) -> Certificate:
    body = base64.b64decode(re.sub(r"-----[A-Z ]+-----|\s", "", pem))
    return {"file": f"company-ca-{number}.crt", "sha1": hashlib.sha1(body).hexdigest(), "pem": pem}


def _variables(name: str, company: Company, proxy: str) -> Values:
    """The variables of the account on the laptop."""
    variables = {
        "WHEELHOUSE_INDEX_URL": company.index_url,
        "TWINE_REPOSITORY_URL": f"{company.index_url}/",
        "TWINE_USERNAME": name,
    }
    if proxy:
        variables.update(HTTP_PROXY=proxy, HTTPS_PROXY=proxy, NO_PROXY=no_proxy(list(company.no_proxy))[0])
    return variables


def _session(name: str, host: Host) -> dict[str, str | int]:
    """A saved session of PuTTY."""
    session: dict[str, str | int] = {
        "HostName": host["address"],
        "PortNumber": 22,
        "Protocol": "ssh",
        "UserName": name,
        "PingIntervalSecs": 30,
    }
    if host["host_key"]:
        session["SSHManualHostKeys"] = host["host_key"].split()[1]
    return session


def jupyter_port(name: str, hosts: Mapping[str, Host]) -> int:
    """The port of a person's tunnel on the laptop, the same each time."""
    digest = hashlib.sha256(f"{name}@{next(iter(hosts), '')}".encode()).hexdigest()
    return 20000 + int(digest[:7], 16) % 10000


def registry(sections: Mapping[str, Mapping[str, str | int]]) -> str:
    """A file for the Registry Editor: {path: {name: text or number}}. ASCII, which version 5.00 may be."""
    lines = ["Windows Registry Editor Version 5.00"]
    for path, values in sections.items():
        lines += ["", f"[{path}]"]
        for name, value in values.items():
            text = str(value).replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'"{name}"=' + (f"dword:{value:08x}" if isinstance(value, int) else f'"{text}"'))
    return "\n".join(lines) + "\n"
