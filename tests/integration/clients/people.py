"""People whose passwords and files are the awkward ones, and what IT's inventory says of them.

They come on top of the demo's. Each is a combination of a kind of password and of having, or not having, files from
before IT came.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from adversaries import entries
from company import STATE, vault

# what an index password and a proxy password of each kind look like; T stands for letters made up anew
PASSWORDS = {
    "URL signs": ("""T@:/#%?&+ "'""", """@T:/#%?&+ "'%40"""),
    "quotes": (r"""#T "in\side' $HOME `id` ;%(here)s""", r"""# "T\' $(id) `id` ;%(here)s"""),
    "60 letters": ("T" + "x1-Y_" * 10 + "zz", "T" + "9.~b!" * 10 + "zz"),
    # an index password outside ASCII is refused (test_what_is_refused), and a proxy password outside Latin-1 is
    "non-ASCII": ("T-plain", "pässwörd Tñ¿"),
}
# with settings that would have packages come from elsewhere, and with others that are to stay in force
FILES = {
    ".netrc": "# two words\nmachine git.acme.example\n\tlogin me\n\tpassword git\n\n# a comment, after a blank line\n"
    "machine packages.acme.example login me password from-last-year\nmachine lab.acme.example login me password lab\n",
    ".pypirc": "[distutils]\nindex-servers =\n    lab\n    pypi\n\n[lab]\nrepository = https://lab.acme.example/\nusername = me\n\n"
    "[pypi]\nusername = __token__\npassword = not-for-the-company",
    ".config/pip/pip.conf": "# mine\n[global]\ntimeout = 45\nindex-url = https://old.acme.example/simple/\n"
    "extra-index-url =\n    https://lab.acme.example/simple/\ntrusted-host = lab.acme.example\nproxy = http://192.0.2.1:8080\n",
    ".config/uv/uv.toml": 'concurrent-downloads = 7\n\n[[index]]\nname = "lab"\nurl = "https://lab.acme.example/simple/"\n',
    ".config/pypoetry/config.toml": '[virtualenvs]\nin-project = true\n\n[repositories.lab]\nurl = "https://lab.acme.example/"\n'
    '\n[plugins.pypi_mirror]\nurl = "https://lab.acme.example/simple/"\n',
    ".config/pypoetry/auth.toml": '[http-basic.lab]\nusername = "me"\npassword = "lab"\n\n[pypi-token]\npypi = "not-for-the-company"\n',
    ".profile": "export EDITOR=vi\nexport PIP_EXTRA_INDEX_URL=https://lab.acme.example/simple/\nexport UV_INDEX=https://lab.acme.example/simple/\n"
    "export POETRY_PYPI_MIRROR_URL=https://lab.acme.example/simple/\n",
}  # fmt: skip


@dataclass(frozen=True)
class Colleague:
    """
    kind        of the passwords, a key of `PASSWORDS`
    has_files   whether `FILES` were there before IT came
    """

    name: str
    kind: str
    has_files: bool
    index_password: str
    proxy_password: str

    @property
    def entry(self) -> dict[str, object]:
        """What the inventory says of them."""
        return {
            "name": self.name,
            "workstations": ["wheelhouse-workstation"],
            "publishes": ["acme-*"],
            "index_password": self.index_password,
            "proxy_username": f"EMEA\\{self.name} x",
            "proxy_password": self.proxy_password,
        }


def colleagues() -> list[Colleague]:
    """One for each combination; with the same passwords as long as the hosts are."""
    file = STATE / "colleagues.json"
    if not file.is_file():
        names = iter(("amy", "ben", "cem", "dan", "eva", "fay", "gil", "hal"))
        made = [
            Colleague(next(names), kind, has_files, *(password.replace("T", secrets.token_hex(4)) for password in pair))
            for kind, pair in PASSWORDS.items()
            for has_files in (False, True)
        ]
        file.touch(0o600)
        file.write_text(json.dumps([asdict(one) for one in made]))
    return [Colleague(**entry) for entry in json.loads(file.read_text())]


def write_settings(file: Path, mode: dict[str, str]) -> None:
    """The inventory's additions for `ansible-playbook --extra-vars`.

    mode        what sets the way through the proxy
    """
    passwords = vault()
    demo = [
        {
            "name": name,
            "workstations": ["wheelhouse-workstation"],
            "jupyter": True,
            "publishes": publishes,
            "index_password": passwords[f"{name}_index"],
            "proxy_username": username,
            "proxy_password": passwords[f"{name}_proxy"],
        }
        for name, publishes, username in (("ada", ["acme-*"], "EMEA\\ada"), ("leo", [], "EMEA\\leo wu"))
    ]
    job = {"name": "ci-acme-hello", "publishes": ["acme-hello"], "index_password": passwords["ci_index"]}
    settings = {
        "wheelhouse_people": [*demo, job, *entries()] + [one.entry for one in colleagues()],
        "package_client_tools": ["uv", "poetry", "pipx", "twine"],
        "package_client_remove_conflicting_sources": True,
    }
    file.touch(0o600)
    file.write_text(json.dumps(settings | mode))
