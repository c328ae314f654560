"""The commands that the documentation shows, as they are written there.

    python tests/tools/documented_commands.py    lists them, with what runs each

`tests/unit/test_documented_commands.py` says that each is run, or that there is a reason why not. What counts as one:
    - each line of a fenced block of a shell (`sh`), with what a backslash continues;
    - in the text, what stands between backticks and begins with a program (`PROGRAMS`); a program of the collection's
      own (`OURS`) also where it stands alone;
    - arguments alone, which some command that is run has to have in it;
    - in YAML (examples of settings, the example inventory, CI jobs) and in comments of a Dockerfile or a playbook:
      values and indented comments that begin with a program, and the lines of a job.
Words between backticks with a blank among them that are neither, and are no setting, value or the like, are `unknown`,
so that a program which is new in the documentation is not passed over.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]

# what the collection puts on a path, or into a bundle
THEIR_NAMES = """
    corporate-env corporate-password install.cmd install.sh jupyter-tunnel jupyter.cmd jupyter-status uninstall.cmd
    uninstall.sh wheelhouse wheelhouse-backup wheelhouse-doctor wheelhouse-intake wheelhouse-pull wheelhouse-token
    wheelhouse-transfer
"""
OTHERS = """
    ansible ansible-builder ansible-doc ansible-galaxy ansible-playbook ansible-test ansible-vault cat conda cp curl
    docker echo export find git hatch journalctl kill mail make mamba micromamba mkdir molecule openssl pdm pip pip3
    pip-audit pipenv pipx pixi poetry pre-commit ps pytest python python3 restic rm runuser scp security sh sha256sum
    source ssh ssh-keygen su sudo systemctl systemd-analyze systemd-run tar twine uv uvx virtualenv
"""
OURS = frozenset(THEIR_NAMES.split())
PROGRAMS = OURS | frozenset(OTHERS.split())

# between backticks, with a blank, and no command: a setting, a line of a configuration file, a request, a path
NO_COMMAND = re.compile(
    r"[\w\[\].-]+: .*|~?/Library/[\w/. ]+|[\w.-]+ = .*|"
    r"[\[{\"'].*|(?:GET|POST) /.*|[~/][\w/~]+/Library/.*|[\w-]+: *|[A-Z_]+=\S*"
    r"|a@b:c/d#e%f\?&\+ \"q|\[\w.*|orange3 3\.29\.3|the only one of the group \w+|systemd --user|%pip install"
)
ARGUMENTS = re.compile(r"-{1,2}[a-z].* .+")
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=\S*")
PLAYBOOK = re.compile(r"(?:playbooks/)?(?P<name>[a-z_]+)\.yml|wheelhouse\.onboarding\.(?P<fqcn>[a-z_]+)")
FENCE = re.compile(r"^( *)```(?P<language>\w*)\n(?P<text>.*?)^\1```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """Something that the documentation shows.

    text    as it is written, on one line
    place   FILE:LINE
    kind    command: to be typed. named: a command in a sentence, which may be a part of one that is run. arguments: of
            some command. playbook: the name of one. unknown: none of these, and nothing else that is known
    """

    text: str
    place: str
    kind: str


def documents() -> list[Path]:
    """What is read: what people read, and the examples they copy."""
    names = ["README.md", "SECURITY.md", "CONTRIBUTING.md"]
    patterns = ["docs/**/*.md", "roles/*/README.md", "inventories/example/**/*.yml", "playbooks/*.yml", "site.yml"]
    patterns += ["examples/**/*.yml", "examples/**/*.yaml", "examples/**/Dockerfile"]
    return [ROOT / name for name in names if (ROOT / name).is_file()] + sorted(
        path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()
    )


def program_of(text: str) -> str:
    """The program that a command runs: its first word behind variables, sudo and directories."""
    words = text.split()
    while words and (ASSIGNMENT.fullmatch(words[0]) or (words[0] == "sudo" and len(words) > 1)):
        words.pop(0)
    return words[0].rpartition("/")[2] if words else ""


def is_command(text: str) -> bool:
    """Whether somebody could type this."""
    program = program_of(text)
    return (program in PROGRAMS and " " in text) or text in OURS


def without_comment(line: str) -> tuple[str, str]:
    """A line of a shell without its comment, and that."""
    command, _, comment = line.partition(" # ") if not line.startswith("#") else ("", "", line[1:])
    return command.rstrip(), comment.strip()


def of_shell(text: str, line: int) -> Iterator[tuple[str, int, str]]:
    """The commands of a block that is typed into a shell."""
    joined = re.sub(r" *\\\n *", " ", text)
    for number, one in enumerate(joined.splitlines(), line):
        command, comment = without_comment(one.strip())
        if command:
            yield command, number, "command"
        if is_command(comment):
            yield comment, number, "command"


def of_settings(text: str, line: int) -> Iterator[tuple[str, int, str]]:
    """The commands in a file with `#` before comments: values and indented comments, and spans in comments."""
    text = re.sub(r" *\\\n# *", " ", text)
    for number, one in enumerate(text.splitlines(), line):
        before, hash_, comment = one.partition("#") if not re.search(r"\"[^\"]*#", one) else (one, "", "")
        said = [part for part in (before, comment) if part]
        for part in said:
            value = re.search(r"^ *(?:- )?[\w.]+: +(?P<text>\S.*)$", part)
            if not value and part is not before:
                value = re.search(r"^ {2,}(?P<text>\S.*)$", part)
            if value and is_command(value["text"]):
                yield value["text"].rstrip(), number, "command"
        if hash_:
            yield from of_text(comment, number)


def of_text(text: str, line: int) -> Iterator[tuple[str, int, str]]:
    """What stands between backticks in prose."""
    for span in SPAN.finditer(text):
        words = " ".join(span[2].replace("\\|", "|").split())
        number = line + text[: span.start()].count("\n")
        if PLAYBOOK.fullmatch(words):
            yield words, number, "playbook"
        elif is_command(words):
            yield words, number, "named"
        elif re.match(PLAYBOOK.pattern + r" ", words):
            yield words, number, "command"
        elif ARGUMENTS.fullmatch(words):
            yield words, number, "arguments"
        elif " " in words and not NO_COMMAND.fullmatch(words):
            yield words, number, "unknown"


def of_markdown(text: str) -> Iterator[tuple[str, int, str]]:
    """Fenced blocks and spans."""
    prose = list(text)
    for block in FENCE.finditer(text):
        prose[block.start() : block.end()] = re.sub(r"[^\n]", " ", block[0])
        line = text[: block.start()].count("\n") + 2
        indented = re.compile(rf"^{block[1]}", re.MULTILINE)
        content = indented.sub("", block["text"])
        if block["language"] in ("sh", "bash", "shell", "console"):
            yield from of_shell(content, line)
        elif block["language"] in ("yaml", "ini"):
            yield from of_settings(content, line)
        elif block["language"] != "text":
            yield block["text"], line, "unknown"
    yield from of_text("".join(prose), 1)


def of_job(text: str) -> Iterator[tuple[str, int, str]]:
    """The lines of a job of a CI system, and what else of_settings finds."""

    def lines(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("run", "script", "before_script"):
                    yield from value if isinstance(value, list) else value.splitlines()
                else:
                    yield from lines(value)
        elif isinstance(node, list):
            for value in node:
                yield from lines(value)

    for command in lines(yaml.safe_load(text)):
        at = text.find(command)
        yield command, text[:at].count("\n") + 1, "command"
    yield from of_settings(text, 1)


def found() -> list[Found]:
    """Everything that the documentation shows, in its order, once for each place."""
    everything = []
    for path in documents():
        name, text = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        if path.suffix == ".md":
            shown = of_markdown(text)
        elif path.is_relative_to(ROOT / "examples" / "ci"):
            shown = of_job(text)
        elif path.is_relative_to(ROOT / "playbooks"):
            shown = of_settings(re.sub(r"^[^#\n].*", "", text, flags=re.MULTILINE), 1)
        else:
            shown = of_settings(text, 1)
        everything += [Found(words, f"{name}:{line}", kind) for words, line, kind in shown]
    return list(dict.fromkeys(everything))


@dataclass(frozen=True)
class Typed:
    """A command that a test runs as it is written: its text, and FILE::FUNCTION."""

    text: str
    by: str


def typed() -> list[Typed]:
    """The first argument of each call of `as_written` in the tests. One that is no string in the source is an error."""
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "as_written(" not in source:
            continue
        for function in ast.walk(ast.parse(source)):
            if not isinstance(function, ast.FunctionDef) or function.name == "as_written":
                continue
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "as_written":
                    text = call.args[0].value if isinstance(call.args[0], ast.Constant) else None
                    if not isinstance(text, str):
                        raise ValueError(f"{path.name}:{call.lineno}: not a string in the source")
                    found.append(Typed(text, f"{path.relative_to(ROOT)}::{function.name}"))
    return found


def stands_in(words: str, command: str) -> bool:
    """Whether `words` are some of the words of a command, one behind the other."""
    return f" {words} " in f" {command} "


def runs(one: Found, commands: list[Typed]) -> list[Typed]:
    """Those of `commands` that run it: the whole of what is to be typed, or what has the words of a sentence in it."""
    if one.kind == "command":
        return [command for command in commands if command.text == one.text]
    return [command for command in commands if stands_in(one.text, command.text)]


def main() -> None:
    """Print the list."""
    commands = typed()
    for one in found():
        by = " ".join(dict.fromkeys(command.by.rpartition("/")[2] for command in runs(one, commands)))
        print(f"{one.kind:10} {one.place:30} {one.text}\n{'':10} {by or '-'}")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
