# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Login names that no person can have, because a system or this collection has them already."""

from __future__ import annotations

import re

# what an account on a host can be called
LOGIN_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")

# Users and groups of Debian's base-passwd; a new account gets a group of its name.
_DEBIAN = """
    root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody _apt adm tty disk
    kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev staff users
    nogroup
"""
# What packages of Debian, Ubuntu and the Red Hat family add, those among them that the roles install.
_PACKAGES = """
    input sgx kvm render crontab netdev messagebus dbus sshd ssh ssl-cert syslog uuidd tcpdump tss polkitd polkit chrony
    avahi rtkit colord geoclue landscape pollinate lxd lxc libvirt docker containerd nginx haproxy squid redis
    postgres mysql postfix dovecot exim dnsmasq ntp rpc statd shutdown halt ftp wheel mem lock avahi-autoipd usbmux
    fwupd unattended-upgrades ubuntu debian admin ec2-user vagrant ansible ldap openldap nslcd sssd snmp munin nagios
    zabbix prometheus
"""
_PATTERNS = re.compile(r"systemd-.*|_.*|debian-.*|wheelhouse.*")
# Accounts of the roles, what the index's journal writes for itself, and words that options take in place of a name.
_OURS = {
    "pypiserver": "the account that the index runs as",
    "px": "the account that the relay runs as",
    "intake": "which the index's journal calls the intake",
    "administrator": "which the index's journal calls the administrator of its host",
    "onboarding": "which the index's journal calls a run of Ansible",
    "machines": "which stands for the machines' own account",
    "housekeeping": "which the index's journal calls the housekeeping",
    "import": "which the index's journal calls the import of bundles",
    "offboarding": "which the index's journal calls a removed account",
    "drill": "which the index's journal calls the drill of the backups",
    "timer": "which the index's journal calls the timer",
    "all": "which stands for everybody",
    "everyone": "which stands for everybody",
    "everybody": "which stands for everybody",
    "nobody": "which stands for nobody",
    "__token__": "which tools send with a token in a name's place",
    "unknown": "which the index's journal writes where it knows no name",
}
_TAKEN = frozenset(f"{_DEBIAN} {_PACKAGES}".split())


def can_be_a_person(name: str) -> bool:
    """Whether an account of that name on a host can be somebody's: it is a login name, and none of the system."""
    return bool(LOGIN_NAME.fullmatch(name)) and name not in _TAKEN and (name in _OURS or not _PATTERNS.fullmatch(name))


def why_reserved(name: str) -> str | None:
    """Half a sentence that says why `name` is nobody's; None for a name that a person can have."""
    if name in _TAKEN or (name not in _OURS and _PATTERNS.fullmatch(name)):
        return "an account of the system"
    return _OURS.get(name)


def short_name(name: str) -> str | None:
    """The short form of a name as Active Directory has it, `ACME\\ada` or `Ada@acme.example`; None for other names."""
    short = re.sub(r"@[\w.-]+$", "", re.sub(r"^[\w.-]+\\+", "", name)).lower()
    return short if short != name and LOGIN_NAME.fullmatch(short) else None
