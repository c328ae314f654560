"""The groups that the settings name, and who is in them, by other groups as well."""

from collections.abc import Iterable, Iterator
from typing import Any

import ldap  # Debian's

from wheelhouse.ldap_directory.connection import Entry, any_of, entries, equal, normal, paged, texts
from wheelhouse.ldap_settings import Ldap

NESTED = "1.2.840.113556.1.4.1941"
"""Active Directory's LDAP_MATCHING_RULE_IN_CHAIN. Other directories do not know it, and are asked level by level."""
MAX_DEPTH, MAX_GROUPS = 10, 1000
_AT_ONCE = 100
_MEMBERS = ("member", "uniqueMember")
_OF_POSIX = "memberUid"


class Groups:
    """What one connection, on which the bind account has logged in, says of groups."""

    def __init__(self, settings: Ldap, connection: Any) -> None:
        self._settings = settings
        self._connection = connection

    def found(self) -> dict[str, list[str]]:
        """Each group as the settings name it -> the DNs that this fits."""
        attribute = self._settings.group_attribute
        names = [group.name for group in self._settings.groups]
        places: dict[str, list[str]] = {name: [] for name in names}
        if plain := [name for name in names if "=" not in name]:
            for dn, values in self._search(any_of(equal(attribute, name) for name in plain), attribute):
                known = {value.lower() for value in texts(values)}
                for name in plain:
                    if name.lower() in known:
                        places[name].append(normal(dn))
        for name in names:
            if name not in plain:
                places[name] += self._at(name)
        return places

    def of(self, dn: str, name: str) -> list[str]:
        """The groups of the settings that a person is in. A name that two groups have gives no rights."""
        own = set(self._above(dn, name))
        return sorted(group for group, places in self.found().items() if len(places) == 1 and places[0] in own)

    def of_everyone(self) -> dict[str, list[str]]:
        """Each person who is in one of the groups -> these groups."""
        attribute = self._settings.user_attribute
        names = {}
        for dn, values in self._people(attribute):
            if known := [value.lower() for value in texts(values)]:
                names[normal(dn)] = known[0]
        members = self._members()
        groups: dict[str, list[str]] = {}
        for group, places in self.found().items():
            for place in places:
                for person in self._in(place, members, names):
                    groups.setdefault(person, []).append(group)
        return {person: sorted(groups[person]) for person in sorted(groups)}

    def _at(self, dn: str) -> list[str]:
        try:
            found = self._connection.search_s(dn, ldap.SCOPE_BASE, self._settings.group_filter, ["1.1"])
        except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX):
            return []
        return [normal(one) for one, _ in entries(found)]

    def _search(self, which: str, *attributes: str) -> Iterator[Entry]:
        question = f"(&{self._settings.group_filter}{which})"
        return paged(self._connection, self._settings.group_base, question, list(attributes) or ["1.1"])

    def _people(self, *attributes: str, which: str = "") -> Iterator[Entry]:
        question = f"(&{self._settings.user_filter}{which})" if which else self._settings.user_filter
        return paged(self._connection, self._settings.user_base, question, list(attributes))

    def _above(self, dn: str, name: str) -> Iterator[str]:
        """DNs of all groups that a person is in."""
        if self._settings.active_directory:
            for group, _ in self._search(equal(f"member:{NESTED}:", dn)):
                yield normal(group)
            return
        seen: set[str] = set()
        wanted = [*_with_member(dn), equal(_OF_POSIX, name)]
        for _ in range(MAX_DEPTH):
            new = {}
            for start in range(0, len(wanted), _AT_ONCE):
                for group, _attributes in self._search(any_of(wanted[start : start + _AT_ONCE])):
                    if normal(group) not in seen:
                        new[normal(group)] = group
            yield from new
            seen |= new.keys()
            if not new or len(seen) > MAX_GROUPS:
                return
            wanted = [one for group in new.values() for one in _with_member(group)]

    def _members(self) -> dict[str, list[str]]:
        """DN of each group -> its members: DNs, and names in a group of POSIX."""
        if self._settings.active_directory:
            return {}
        members: dict[str, list[str]] = {}
        for dn, attributes in self._search("(objectClass=*)", *_MEMBERS, _OF_POSIX):
            for key, values in attributes.items():
                some = texts({key: values})
                is_of_names = key.lower() == _OF_POSIX.lower()
                members.setdefault(normal(dn), []).extend(some if is_of_names else map(normal, some))
        return members

    def _in(self, place: str, members: dict[str, list[str]], names: dict[str, str]) -> Iterable[str]:
        """People in the group at a DN."""
        if self._settings.active_directory:
            which = equal(f"memberOf:{NESTED}:", place)
            return [names[normal(dn)] for dn, _ in self._people("1.1", which=which) if normal(dn) in names]
        known = set(names.values())
        found, seen, wanted = set(), {place}, {place}
        for _ in range(MAX_DEPTH):
            some = {member for group in wanted for member in members.get(group, ())}
            found |= {names.get(member, member) for member in some if member in names or member in known}
            wanted = some - seen
            seen |= some
        return found


def _with_member(dn: str) -> list[str]:
    return [equal(attribute, dn) for attribute in _MEMBERS]
