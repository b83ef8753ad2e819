"""The commands that README.md, CONTRIBUTING.md and the pages below docs/ print, read from the pages themselves.

python tests/printed.py     prints those for which tests/commands.csv has no row
"""

from __future__ import annotations

import csv
import functools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PAGES = tuple(
    path.relative_to(PROJECT).as_posix()
    for path in (
        PROJECT / "README.md",
        PROJECT / "CONTRIBUTING.md",
        *sorted((PROJECT / "docs").glob("*.md")),
        *sorted((PROJECT / "docker").glob("*.md")),
        PROJECT / "reporting" / "superset" / "README.md",
    )
)
"""Pages whose commands are held to the tests: those that somebody follows. Decisions are history and are not."""
PROGRAMS = {"vss", "make", "dbt", "mf", "psql", "python", "sqlfluff", "pre-commit", "docker"}
"""Programs whose commands are ours; those of the shell around them are not looked at."""
SHELL = {"eval", "export", "mkdir", "cp", "rm", "for", "do", "done", "cd", "git", "openssl", "sudo", "install", "chmod"}
VERBS_WITH_VERBS = {"keys", "review", "dashboards", "bench"}
GENERATED_GUIDE = "docs/submission-guide.md"

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """One command as a page prints it, and where: in a block that is typed, or within a sentence that names it."""

    page: str
    words: tuple[str, ...]
    is_in_block: bool

    @property
    def program(self) -> str:
        """The program without its folder; pytest and other modules stand behind `python`."""
        return self.words[0].removeprefix(".venv/bin/")

    @property
    def form(self) -> str:
        """The command without its values: program, verb and options, in the order in which they sort."""
        words = self.words[1:]
        if self.program == "python":
            return f"python -m {words[1]}" if words[:1] == ("-m",) else f"python {words[0]}"
        if self.program in {"psql", "sqlfluff"}:
            return self.program
        # an option in brackets may be left out
        options = sorted({word.partition("=")[0] for word in words if _is_option(word)})
        verb = [word for word in words[:1] if not _is_option(word)]
        if self.program == "vss" and words and words[0] in VERBS_WITH_VERBS:
            verb += [word for word in words[1:2] if re.fullmatch(r"[a-z][a-z-]+", word)]
        if self.program == "docker" and words[:1] == ("compose",):
            verb += [word for word in words[1:] if re.fullmatch(r"[a-z]+", word)][:1]
        return " ".join([self.program, *verb, *options])


def commands(page: str) -> tuple[Command, ...]:
    """Every command a page prints, once each, in its order."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    found = [command for block in blocks(text) for line in lines(block) for command in _split(page, line, True)]
    found += [command for code in codes(text) for command in _named(page, code)]
    return tuple(dict.fromkeys(found))


@functools.cache
def everything() -> tuple[Command, ...]:
    """The commands of all pages."""
    return tuple(command for page in PAGES for command in commands(page))


def blocks(text: str) -> Iterator[str]:
    """The fenced blocks of a text in which commands may stand, without their indentation."""
    for indent, language, body in _FENCE.findall(text):
        if language in {"", "sh", "bash"}:
            yield "\n".join(line.removeprefix(indent) for line in body.splitlines())


def block(page: str, heading: str, number: int = 1) -> str:
    """The n-th block below a heading of a page. Raises ValueError when there is none."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    _, mark, below = f"\n{text}".partition(f"\n{heading}\n")
    found = list(blocks(below))
    if not mark or len(found) < number:
        raise ValueError(f"{page} has no block {number} below {heading}")
    return found[number - 1]


def lines(block_of_commands: str) -> Iterator[str]:
    """The lines of a block that begin with a command; a line goes on after a backslash and while a quote is open."""
    whole = ""
    for line in block_of_commands.replace("\\\n", " ").splitlines():
        whole = f"{whole}\n{line}" if whole else line
        try:
            words = shlex.split(whole, comments=True)
        except ValueError:
            if re.split(r"\s", whole.strip(), maxsplit=1)[0].removeprefix(".venv/bin/") in PROGRAMS:
                continue
            words = []
        if words and (_is_program(words[0]) or _ASSIGNMENT.fullmatch(words[0]) or words[0] in SHELL):
            yield whole
        whole = ""


def codes(text: str) -> Iterator[str]:
    """What stands between single backticks, on one line."""
    for code in _CODE.findall(_FENCE.sub("", text)):
        yield " ".join(code.replace("\\|", "|").split())


def rows() -> tuple[dict[str, str], ...]:
    """tests/commands.csv: `command` (a form), `test` (a node id), or `why` no test runs it."""
    with (PROJECT / "tests" / "commands.csv").open(encoding="utf-8", newline="") as stream:
        return tuple(csv.DictReader(stream))


def _named(page: str, code: str) -> Iterator[Command]:
    first = re.sub(r"^(?:[A-Z_]+=\S+ )+", "", code).partition(" ")
    if (first[2] and _is_program(first[0])) or code.startswith("eval "):
        yield from _split(page, code, False)


def _split(page: str, text: str, is_in_block: bool) -> Iterator[Command]:
    """The commands of one line of shell: those within `$(…)` first, then what `&&`, `;` and `|` keep apart."""
    for inner in re.findall(r"\$\(([^()]*)\)", text):
        yield from _split(page, inner, is_in_block)
    lexer = shlex.shlex(re.sub(r"\$\([^()]*\)", "_", text), posix=True, punctuation_chars=";|&<>")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError as error:
        raise ValueError(f"{page}: {text}: {error}") from None
    simple: list[str] = []
    for word in [*words, ";"]:
        if word in {">", ">>", "<", "2>"}:
            simple.append("\0")
        elif word and set(word) <= set(";|&"):
            kept = [each for place, each in enumerate(simple) if "\0" not in simple[max(0, place - 1) : place + 1]]
            while kept and (_ASSIGNMENT.fullmatch(kept[0]) or kept[0] in {"env", "export"}):
                kept = kept[1:]
            if kept and _is_program(kept[0]):
                yield Command(page, tuple(kept), is_in_block)
            simple = []
        else:
            simple.append(word)


def _is_program(word: str) -> bool:
    return word.removeprefix(".venv/bin/") in PROGRAMS


def _is_option(word: str) -> bool:
    return re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word) is not None


def missing() -> list[str]:
    """Forms that a page prints and tests/commands.csv has not."""
    return sorted({command.form for command in everything()} - {row["command"] for row in rows()})


if __name__ == "__main__":
    print("\n".join(missing()))
