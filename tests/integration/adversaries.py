"""What the adversaries of the test hosts have gained: nothing.

demo/adversary.py furnishes their homes, demo/canaries.sh puts there what they are after.
"""

from __future__ import annotations

from typing import Any

from company import SUFFIX, host_of, play, vault
from testinfra.host import Host

NAMES = ["mallory", *(f"mallory-{costume}" for costume in ("fifos", "links", "dirs", "huge", "locked"))]
# what the inventory says of each
ENTRIES = [
    {
        "name": name,
        "workstations": ["wheelhouse-workstation"],
        "jupyter": True,
        "publishes": [],
        "proxy_username": "EMEA\\mallory",
    }
    for name in NAMES
]
# what each canary belongs to, its mode, and the text that nobody else may have
CANARIES = {
    "/root/canary": ("root root 600", "canary-of-root"),
    "/home/ada/canary": ("ada ada 600", "canary-of-ada"),
    "/srv/team": ("ada team 2770", None),
    "/srv/team/results.csv": ("ada team 660", "canary-of-the-team"),
    "/etc/shadow": ("root shadow 640", None),
    "/etc/passwd": ("root root 644", None),
    "/home/ada": ("ada ada 700", None),
}
# where a copy of a canary would lie
PLACES = "/etc /home /opt /root /run /srv /tmp /usr/local /var/cache /var/lib/wheelhouse /var/spool /var/tmp"


def entries() -> list[dict[str, Any]]:
    """`ENTRIES` with the passwords."""
    passwords = vault()
    secrets = {"index_password": passwords["mallory_index"], "proxy_password": passwords["mallory_proxy"]}
    return [entry | secrets for entry in ENTRIES]


def move_in() -> None:
    """Furnish the adversaries' homes, where they have accounts."""
    if SUFFIX:
        play("demo/adversaries.yml")


def gains() -> list[str]:
    """What they have got on the workstation and the Jupyter host, a line each, with the host's name before it."""
    hosts = {role: host_of(role) for role in ("workstation", "jupyter")}
    second_keys = [
        key for host in hosts.values() for key in host.run("cat /home/mallory/.ssh/second.pub").stdout.split()[1:2]
    ]
    return [f"{role}: {gain}" for role, host in hosts.items() for gain in gains_on(host, second_keys)]


def gains_on(host: Host, second_keys: list[str]) -> list[str]:
    """What they have got on one host.

    second_keys     those that mallory wrote below her own, and nobody is to let in
    """
    found = []
    texts = [text for _, text in CANARIES.values() if text]
    patterns = " ".join(f"--regexp={text}" for text in texts)
    copies = host.run(
        f"grep --recursive --files-with-matches --devices=skip --fixed-strings {patterns} {PLACES}"
    ).stdout.split()
    for path, (belongs, text) in CANARIES.items():
        is_ = host.run("stat --format='%%U %%G %%a' %s", path).stdout.strip()
        if is_ != belongs:
            found.append(f"{path} belongs to {is_}, not to {belongs}")
        if text:
            if host.run("cat %s", path).stdout != text + "\n":
                found.append(f"{path} holds something else")
            found += [
                f"{copy} holds what {path} does"
                for copy in copies
                if copy != path and holds(host, copy, text) and not is_same(host, copy, path)
            ]
    uids = {host.run("id --user %s", name).stdout.strip() for name in NAMES}
    for note in host.run("ls /var/tmp").stdout.split():
        uid = note.removeprefix("gained-")
        if note.startswith("gained-") and uid not in uids:
            found.append(f"programs of theirs ran with uid {uid}: {host.run('tail -n 3 /var/tmp/%s', note).stdout}")
    for name in NAMES:
        theirs = host.run(
            "find /home/%s -xdev ! -user %s ! -samefile /home/ada/canary ! -samefile /etc/passwd", name, name
        )
        found += [f"in the home of {name}, not theirs: {line}" for line in theirs.stdout.splitlines()]
    whose = " -o ".join(f"-uid {uid}" for uid in sorted(uids - {""}))
    others = host.run(
        f"find /home -xdev -mindepth 2 -path %s -prune -o \\( {whose} \\) -printf '%%u, in the home of another: %%p\\n'",
        "/home/mallory*",
    )
    found += [f"of {line}" for line in others.stdout.splitlines()]
    for key in second_keys:
        keys = host.run("grep --recursive --fixed-strings --files-with-matches %s /etc/ssh", key)
        found += [f"{file} has mallory's second key" for file in keys.stdout.split()]
    world_readable = host.run(
        "find /etc /opt /run /srv /usr/local /var/lib -xdev -type f -perm -o+r -size -1M -exec grep --files-with-matches --fixed-strings %s {} +",
        vault()["machines_proxy"],
    )
    found += [f"{file}: the machines' password, for everybody to read" for file in world_readable.stdout.split()]
    return found


def holds(host: Host, file: str, text: str) -> bool:
    return bool(host.run("grep --quiet --fixed-strings %s %s", text, file).rc == 0)


def is_same(host: Host, one: str, other: str) -> bool:
    """Whether two names are one file: a hard link, which gives nobody a right."""
    return bool(host.run("test %s -ef %s", one, other).rc == 0)
