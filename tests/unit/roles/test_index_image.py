"""When the role brings the index's image in again: by what it was built from, and by how old it is."""

import hashlib
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROLE = ROOT / "roles/pypi_index"
SOURCES = ROLE / "files/wheelhouse"


def content() -> str:
    files = [
        path
        for path in sorted(SOURCES.rglob("*"), key=lambda path: str(path.relative_to(SOURCES)))
        if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)
    ]
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(SOURCES)}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def image(label: str | None, days: float) -> list[dict]:
    created = datetime.now(UTC) - timedelta(days=days)
    labels = None if label is None else {"org.wheelhouse.content": label}
    return [{"Created": f"{created:%Y-%m-%dT%H:%M:%S}.123456789Z", "Config": {"Labels": labels}}]


CASES: dict[str, tuple[list[dict], dict[str, object], list[bool]]] = {
    "none": ([], {}, [True, False, False]),
    "this": (image(content(), 1), {}, [False, False, False]),
    "another": (image("0" * 64, 1), {}, [False, True, False]),
    "made by hand": (image(None, 1), {}, [False, False, False]),
    "old": (image(content(), 31), {}, [False, False, True]),
    "of any age": (image(content(), 31), {"pypi_index_image_max_age": 0}, [False, False, False]),
    "old, from a registry": (image(content(), 31), {"pypi_index_image_source": "pull"}, [False, False, False]),
}


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """Of each case: whether the image is missing, is another, is old; and what the role says its program is made of."""
    directory = tmp_path_factory.mktemp("image")
    asked = ", ".join(f"__pypi_index_image_is_{what}" for what in ("missing", "another", "old"))
    says = f"{{{{ [{asked}] | map('bool') | list }}}}"
    tasks = [
        {
            "ansible.builtin.copy": {"dest": f"{directory}/{number}.json", "content": "{{ result | to_json }}"},
            "vars": {"__pypi_index_images": {"images": images}, "result": says, **settings},
        }
        for number, (images, settings, _) in enumerate(CASES.values())
    ]
    tasks.append({"ansible.builtin.copy": {"dest": f"{directory}/content", "content": "{{ __pypi_index_content }}"}})
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(ROLE / "vars/main.yml"), str(ROLE / "defaults/main.yml")],
        "vars": {"role_path": str(ROLE)},
        "tasks": tasks,
    }
    (directory / "play.yml").write_text(json.dumps([play]))
    subprocess.run(["ansible-playbook", directory / "play.yml"], cwd=ROOT, check=True, capture_output=True)
    found = {name: json.loads((directory / f"{number}.json").read_text()) for number, name in enumerate(CASES)}
    return {**found, "content": [(directory / "content").read_text()]}


@pytest.mark.parametrize("case", CASES)
def test_an_image(decided: dict[str, list], case: str) -> None:
    assert decided[case] == CASES[case][2]


def test_the_label_is_what_the_sources_are(decided: dict[str, list]) -> None:
    assert decided["content"] == [content()]


def test_the_demo_labels_its_image_alike() -> None:
    script = (ROOT / "demo/images").read_text()
    (function,) = [line for line in script.splitlines() if line.startswith("content_of()")]
    done = subprocess.run(
        ["bash", "-c", f'{function}\ncontent_of "$1"', "-", SOURCES], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == content()
