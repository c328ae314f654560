"""A directory: Debian's slapd with TLS on 127.0.0.1, people, groups in groups, and a lockout after wrong passwords."""

import contextlib
import importlib.util
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import trustme

SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/bin")
LIBRARY = "/usr/lib/python3/dist-packages"
"""Where Debian has python3-ldap; last in the path, as in the image."""
if importlib.util.find_spec("_ldap") is None and LIBRARY not in sys.path:
    sys.path.append(LIBRARY)
IS_THERE = SLAPD is not None and importlib.util.find_spec("_ldap") is not None
"""The library is for Debian's own Python."""
BASE = "dc=acme,dc=example"
PASSWORD = "Directory-p4ss"
BIND_DN, BIND_PASSWORD = f"cn=search,{BASE}", "Search-p4ss"
LOCKOUT = 5
"""Wrong passwords that lock an account."""
_CONFIGURATION = f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile @/pid
TLSCertificateFile @/cert.pem
TLSCertificateKeyFile @/key.pem
sizelimit size.soft=20 size.hard=20 size.pr=500 size.prtotal=unlimited
database mdb
suffix "{BASE}"
directory @/data
rootdn "cn=admin,{BASE}"
rootpw {BIND_PASSWORD}
access to attrs=userPassword by anonymous auth by * none
access to * by dn="{BIND_DN}" read by * none
overlay ppolicy
ppolicy_default "cn=policy,{BASE}"
"""
_TREE = f"""
dn: {BASE}
objectClass: dcObject
objectClass: organization
dc: acme
o: Acme

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{BASE}
objectClass: organizationalUnit
ou: groups

dn: {BIND_DN}
objectClass: person
cn: search
sn: search
userPassword: {BIND_PASSWORD}

dn: cn=policy,{BASE}
objectClass: person
objectClass: pwdPolicy
cn: policy
sn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: {LOCKOUT}
"""


def dn(name: str) -> str:
    """Of a person."""
    return f"uid={name},ou=people,{BASE}"


def group_dn(name: str) -> str:
    return f"cn={name},ou=groups,{BASE}"


def configuration(root: str) -> str:
    """The server's, whose files are in a directory `root`."""
    return _CONFIGURATION.replace("@", root)


def tree() -> str:
    """All that is in the directory, as LDIF."""
    people = [person(name) for name in ("ada", "bob", "eve", *(f"p{number}" for number in range(30)))]
    groups = [
        group("python-users", dn("bob"), group_dn("team-data")),
        group("team-data", group_dn("team-models"), *(dn(f"p{number}") for number in range(30))),
        # groups that are in each other
        group("team-models", dn("ada"), group_dn("team-data")),
        group("python-authors", dn("ada"), BIND_DN),
        f"dn: {group_dn('posix')}\nobjectClass: posixGroup\ncn: posix\ngidNumber: 5\nmemberUid: eve\n",
    ]
    return "\n".join([_TREE, *people, *groups])


class Directory:
    """The server; its people are ada, bob, eve and many others, who all have `PASSWORD`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "data").mkdir()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(root / "ca.pem")
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        certificate.private_key_pem.write_to_path(root / "key.pem")
        for part in certificate.cert_chain_pems:
            part.write_to_path(root / "cert.pem", append=True)
        (root / "slapd.conf").write_text(configuration(str(root)))
        self._run("slapadd", "-f", str(root / "slapd.conf"), given=tree())
        self.port, self.plain_port = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ldaps://127.0.0.1:{self.port}"

    def start(self) -> None:
        log = (self.root / "log").open("ab")
        urls = f"{self.url} ldap://127.0.0.1:{self.plain_port}"
        command = [SLAPD or "slapd", "-f", str(self.root / "slapd.conf"), "-h", urls, "-d", "stats"]
        self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise AssertionError((self.root / "log").read_text())

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def binds(self, who: str) -> int:
        """How many the server saw for a DN; of one with a password it writes a line with `method`."""
        return len(re.findall(rf'BIND dn="{re.escape(who)}" method=128', (self.root / "log").read_text()))

    def searches(self) -> int:
        return (self.root / "log").read_text().count(" SRCH base=")

    def modify(self, text: str) -> None:
        """Change something, as an administrator does."""
        admin = ("-x", "-H", f"ldap://127.0.0.1:{self.plain_port}", "-D", f"cn=admin,{BASE}", "-w", BIND_PASSWORD)
        self._run("ldapmodify", *admin, given=text)

    def leave(self, name: str, group_name: str) -> None:
        self.modify(f"dn: {group_dn(group_name)}\nchangetype: modify\ndelete: member\nmember: {dn(name)}\n")

    def join(self, name: str, group_name: str) -> None:
        self.modify(f"dn: {group_dn(group_name)}\nchangetype: modify\nadd: member\nmember: {dn(name)}\n")

    def add_group(self, place: str, member: str) -> None:
        self.modify(f"dn: {place}\nchangetype: add\nobjectClass: groupOfNames\nmember: {member}\n")

    def new_password(self, name: str, password: str) -> None:
        self.modify(f"dn: {dn(name)}\nchangetype: modify\nreplace: userPassword\nuserPassword: {password}\n")

    def _run(self, *command: str, given: str) -> None:
        program = shutil.which(command[0], path="/usr/sbin:/usr/bin") or command[0]
        done = subprocess.run([program, *command[1:]], input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def person(name: str) -> str:
    return (
        f"dn: {dn(name)}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\nuserPassword: {PASSWORD}\n"
    )


def group(name: str, *members: str) -> str:
    lines = "".join(f"member: {member}\n" for member in members)
    return f"dn: {group_dn(name)}\nobjectClass: groupOfNames\ncn: {name}\n{lines}"


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


@contextlib.contextmanager
def running(root: Path) -> Iterator[Directory]:
    directory = Directory(root)
    directory.start()
    try:
        yield directory
    finally:
        directory.stop()
