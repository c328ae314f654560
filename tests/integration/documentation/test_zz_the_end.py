"""Last: everything is taken away."""

from __future__ import annotations

from acme import Administration
from terminal import Said
from written import Login


def test_everything_goes(it: Administration, first_run: Said, root_of: dict[str, Login]) -> None:
    asked = it.as_written(
        "ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.remove", code=None
    )
    assert asked.code != 0
    assert "Go on with -e remove_everything=yes." in asked.words
    assert root_of["workstation"].run("su - ada -c true").code == 0
    it.as_written(
        "ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.remove -e remove_everything=yes"
    )
    assert root_of["workstation"].run("su - ada -c true").code != 0
    assert root_of["index"].run("ls /etc/nginx/conf.d/wheelhouse.conf").code != 0
