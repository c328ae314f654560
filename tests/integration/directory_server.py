"""The company's directory on one of the hosts: Debian's slapd, on 127.0.0.1, with a certificate of the company's CA."""

from __future__ import annotations

import shlex

import trustme
from company import STATE
from index import slapd
from index.slapd import BASE, BIND_DN, BIND_PASSWORD
from testinfra.host import Host

ROOT = "/root/directory"
PORT = 6360
SETTINGS = {
    "url": f"ldaps://127.0.0.1:{PORT}",
    "bind_dn": BIND_DN,
    "bind_password": BIND_PASSWORD,
    "user_base": f"ou=people,{BASE}",
    "group_base": f"ou=groups,{BASE}",
}
"""What `wheelhouse_ldap` has for it, but for the groups."""


class Directory:
    """slapd on a host."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def install(self) -> None:
        self.host.check_output(
            "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d"
        )
        self.host.check_output(
            "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"
            " slapd ldap-utils >/dev/null 2>&1; rm -f /usr/sbin/policy-rc.d; test -x /usr/sbin/slapd"
        )
        authority = trustme.CA.from_pem((STATE / "ca.pem").read_bytes(), (STATE / "ca.key").read_bytes())
        certificate = authority.issue_cert("127.0.0.1")
        chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
        self.host.check_output(f"mkdir -p {ROOT}/data")
        for name, content in (
            ("slapd.conf", slapd.configuration(ROOT)),
            ("tree.ldif", slapd.tree()),
            ("cert.pem", chain.decode()),
            ("key.pem", certificate.private_key_pem.bytes().decode()),
        ):
            self.host.check_output(f"printf %s {shlex.quote(content).replace('%', '%%')} >{ROOT}/{name}")
        self.host.check_output(f"slapadd -f {ROOT}/slapd.conf <{ROOT}/tree.ldif")

    def start(self) -> None:
        self.host.check_output(f"slapd -f {ROOT}/slapd.conf -h 'ldaps://127.0.0.1:{PORT} ldap://127.0.0.1:{PORT + 1}'")

    def stop(self) -> None:
        self.host.check_output(f"kill $(cat {ROOT}/pid) && while [ -e {ROOT}/pid ]; do sleep 0.1; done")

    def remove(self) -> None:
        self.host.run(f"kill $(cat {ROOT}/pid)")
        self.host.check_output("apt-get purge -y -qq slapd ldap-utils >/dev/null 2>&1; rm -rf /var/lib/ldap")
        self.host.check_output(f"rm -rf {ROOT}")

    def modify(self, text: str) -> None:
        admin = f"-x -H ldap://127.0.0.1:{PORT + 1} -D cn=admin,{BASE} -w {BIND_PASSWORD}"
        self.host.check_output(f"printf %s {shlex.quote(text)} | ldapmodify {admin}")
