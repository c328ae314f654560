"""Where the state is: the file `database.json`. Without it, that is a SQLite in the shelf, and there is one host.

database.json     the PostgreSQL of several gateways, and an account there; for the program's account alone
database-ca.pem   the company's CA; without it, the public ones are trusted
"""

import stat
from pathlib import Path

import msgspec

FILES = ("database.json", "database-ca.pem")
_SETTINGS, _CA = FILES
_LAST_PORT = 65_535


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A PostgreSQL. It is read when the program starts."""

    host: str
    """Its name; or several names with commas between them, of which that one is used which takes changes; or the
    directory of a socket of this machine, which is not encrypted."""
    name: str
    """Of the database."""
    username: str
    port: int = 5432
    password: str = ""
    ca: str = ""
    """Path of the certificates that are trusted; empty for the public ones."""

    def __repr__(self) -> str:
        return f"Server({self.host})"

    @property
    def is_here(self) -> bool:
        """Whether it is reached by a socket of this machine."""
        return self.host.startswith("/")


def read(directory: Path) -> Server | None:
    """Read the files; None without them. Raises OSError, and ValueError with one sentence, in which no secret is."""
    path, ca = directory / _SETTINGS, directory / _CA
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        server = msgspec.json.decode(content, type=Server)
        if fault := _fault(server):
            raise ValueError(f"{fault}.")
    except ValueError as error:  # also what is not JSON
        raise ValueError(f"{path} cannot be used: {error}") from None
    if path.stat().st_mode & stat.S_IRWXO:
        raise ValueError(f"{path} has a password, and all accounts of this host may read it: give it mode 0640.")
    return msgspec.structs.replace(server, ca=str(ca) if ca.exists() else "")


def _fault(server: Server) -> str | None:
    if not all(server.host.split(",")):
        return "host must be the name of a server, such as db.acme.example, or several with commas between them"
    if not (server.name and server.username):
        return "name and username must name a database and an account there"
    if not 0 < server.port <= _LAST_PORT:
        return "port must be a number such as 5432"
    if not (server.password or server.is_here):
        return "password must be that of the account"
    return None
