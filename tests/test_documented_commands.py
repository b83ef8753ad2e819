"""Whatever README.md, CONTRIBUTING.md and the pages below docs/ print can be typed, opened, set or looked up.

tests/commands.csv says for each form of a command (program, verb, options) which test runs it, or why none can.
"""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import printed
import pytest
from printed import PAGES, Command, commands, everything
from test_rooms import MAY_IMPORT
from typer.exceptions import TyperException
from typer.main import get_command

from benchmarks.__main__ import _KNOWN, _parser
from cli.main import HOMES, app
from expectations.checkpoints import CHECKPOINTS
from warehouse.settings import PROJECT, Settings

ROOMS = {path.name for path in PROJECT.iterdir() if path.is_dir() and path.name[0] != "."} | {".ci"}
LEFT_BY_RUNS = {".venv", ".venv-superset", "var"}
# what the checklists have their reader make, and throw away
EXAMPLES = ("outreach__", "rpt_outreach", "complaint")
VALUES = {"…": "x", "M": "2021-10", "N": "1", "PUB": "1", "PUBLICATION_OR_DATE": "1"}


def _text(page: str) -> str:
    return (PROJECT / page).read_text(encoding="utf-8")


def _ids(command: Command) -> str:
    return f"{command.page}: {' '.join(command.words)[:70]}"


def _of(*programs: str) -> list[Command]:
    return [command for command in everything() if command.program in programs]


# --- what is typed


def _words(command: Command) -> Iterator[str]:
    """A command's words with the placeholders of a page filled in; `[--x]` is typed as `--x`."""
    for word in command.words[1:]:
        bare = word.removeprefix("[").removesuffix("]")
        yield VALUES.get(bare, bare)


def mistake(command: Command) -> str | None:
    """What `vss` would say is wrong about how a command is written; None when it would run.

    A sentence may name a command without what belongs to it; in a block it stands whole.
    """
    words = list(_words(command))
    goes_on = command.words[2:3] == ("…",)
    if goes_on:
        del words[1]
    try:
        _parse(_vss(words[0]), words)
    except TyperException as error:
        said = error.format_message()
        is_whole = command.is_in_block and not goes_on
        return said if is_whole or not re.match(r"Missing|Option '\S+' requires an argument|Usage:", said) else None
    return None


@functools.cache
def _vss(verb: str) -> Any:
    return get_command(app(verb))


def _parse(verbs: Any, words: list[str]) -> None:
    """The way of a command through Typer up to the function of its verb, which is not called."""
    context = verbs.make_context("vss", list(words))
    while hasattr(context.command, "commands") and (left := [*context._protected_args, *context.args]):
        name, verb, rest = context.command.resolve_command(context, left)
        context = verb.make_context(name, rest, parent=context)


@pytest.mark.parametrize("command", _of("vss"), ids=_ids)
def test_a_printed_command_is_one_that_vss_takes(command: Command) -> None:
    assert mistake(command) is None


@pytest.mark.parametrize(
    ("words", "is_in_block", "said"),
    [
        (("vss", "invent"), False, "No such command"),
        (("vss", "status", "--nigth"), False, "No such option"),
        (("vss", "replay"), True, "Missing argument"),
        (("vss", "replay"), False, None),
        (("vss", "keys", "lend"), False, "No such command"),
        (("vss", "restore", "FOLDER", "[--into", "HOME]", "[--check]"), True, None),
        (("vss", "pack", "…", "--nil", "outreach"), True, None),
        (("vss", "pack", "…", "--nill", "outreach"), True, "No such option"),
    ],
)
def test_a_command_that_vss_does_not_take_is_found(words: tuple[str, ...], is_in_block: bool, said: str | None) -> None:
    found = mistake(Command("x.md", words, is_in_block))

    assert (found is None) if said is None else (found is not None and said in found)


def test_the_table_of_verbs_has_every_verb_and_only_options_it_takes() -> None:
    table = _text("README.md").partition("\n## Verbs\n")[2].partition("\n## ")[0]
    verbs = get_command(app()).commands  # type: ignore[attr-defined]
    shown: dict[str, set[str]] = {}
    for line in re.findall(r"^\| `vss .*$", table, re.MULTILINE):
        first, _, text = line.partition(" | ")
        for verb in re.findall(r"`vss ([a-z-]+)", first):
            shown[verb] = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", first + text))

    assert set(shown) == {verb for names in HOMES.values() for verb in names}
    known = {verb: {name for option in _options(verbs[verb]) for name in option.opts} for verb in shown}
    assert {verb: options - known[verb] for verb, options in shown.items() if options - known[verb]} == {}


def _options(command: Any) -> Iterator[Any]:
    yield from command.params
    for inner in getattr(command, "commands", {}).values():
        yield from _options(inner)


@pytest.mark.parametrize("command", [each for each in _of("vss") if each.words[1:2] == ("bench",)], ids=_ids)
def test_a_printed_benchmark_exists(command: Command) -> None:
    assert set(command.words[2:3]) <= {*_KNOWN, "[NAME]"}
    assert _parser().parse_args([word for word in command.words[2:] if word != "[NAME]"])


@functools.cache
def targets() -> Mapping[str, str]:
    """The targets of the Makefile that are a command, and their recipes."""
    text = _text("Makefile")
    return dict(re.findall(r"^([a-z][a-z-]*):[^=\n]*\n((?:\t.*\n|\n(?=\t))*)", text, re.MULTILINE))


@pytest.mark.parametrize("command", _of("make"), ids=_ids)
def test_a_printed_target_is_one_of_the_makefile(command: Command) -> None:
    assert [word for word in command.words[1:] if "=" not in word and word not in targets()] == []


def test_every_target_of_the_makefile_is_explained_by_make_help_and_phony() -> None:
    text = _text("Makefile")
    explained = set(re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE))
    phony = set(re.findall(r"[a-z-]+", text.partition(".PHONY:")[2].partition("\n\n")[0]))

    assert set(targets()) - phony == set()
    assert phony - explained <= {"lint-python", "lint-sql", "lint-dbt"}


def test_every_verb_of_a_recipe_is_one_that_vss_takes() -> None:
    found = [
        Command("Makefile", ("vss", *(re.sub(r"\$\(\w+\)", "x", word) for word in words.split())), True)
        for recipe in targets().values()
        for words in re.findall(r"\$\(VSS\) ([a-z-]+(?: --?[\w-]+| \$\(\w+\)| [a-z-]+)*)", recipe)
    ]

    assert len(found) > 6
    assert [(command.words, mistake(command)) for command in found if mistake(command)] == []


def test_the_demo_of_the_tests_is_what_make_demo_does() -> None:
    verbs = [line.split()[:2] for line in re.findall(r"\$\(VSS\) ([^;|&\n]+)", targets()["demo"])]
    fixture = (PROJECT / "tests" / "acceptance" / "conftest.py").read_text(encoding="utf-8")

    assert verbs == [["migrate"], ["synth", "--demo"], ["nightly", "--inbox"], ["headline"]]
    assert re.findall(r'\.vss\("(\w+)"(?:, "(--[a-z]+)")?', fixture) == [
        ("migrate", ""), ("synth", "--demo"), ("nightly", "--inbox"),
    ]  # fmt: skip


def test_what_make_docs_writes_into_the_tree_is_held_by_tests() -> None:
    writers = re.findall(r"-m ([\w.]+)|(tests/[\w/]+)\.py", targets()["docs"])
    names = {module or file.rpartition("/")[2] for module, file in writers} - {"reporting.project_pages"}
    held = [path.read_text("utf-8") for path in (PROJECT / "tests").rglob("test_*.py") if path != Path(__file__)]

    assert len(names) == 4
    for name in names:
        room, _, module = name.rpartition(".")
        imported = f"from {room} import {module}" if room else f"from {name} import"
        assert any(imported in text and "make docs" in text for text in held), name


@pytest.mark.parametrize("command", _of("dbt"), ids=_ids)
def test_what_a_printed_dbt_command_selects_exists(command: Command) -> None:
    words = command.words
    selected = [word for flag, word in itertools.pairwise(words) if flag in {"--select", "-s"}]
    methods = {"state:modified+", "test_type:unit"}

    assert words[1] in {"ls", "build", "run", "test", "show", "parse", "docs"}
    assert [one for each in selected for one in each.split(",") if one not in methods and not _is_model(one)] == []


def _is_model(name: str) -> bool:
    name = name.removesuffix("+").removeprefix("+")
    return bool(list((PROJECT / "dbt_project" / "models").rglob(f"{name}.sql"))) or name.startswith(EXAMPLES)


@pytest.mark.parametrize("command", [each for each in _of("mf") if len(each.words) > 2], ids=_ids)
def test_metrics_and_groups_of_a_printed_question_exist(command: Command) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "dbt_project/models/semantic").glob("*.yml"))
    known = set(re.findall(r"name: (\w+)", text)) | {"metric_time"}
    words = command.words
    asked = [
        name
        for flag, word in itertools.pairwise(words)
        if flag in {"--metrics", "--group-by", "--order"}
        for name in re.split(r",|__", word.removeprefix("-"))
    ]
    asked += [
        name for word in words for names in re.findall(r"Dimension\('(\w+)'\)", word) for name in names.split("__")
    ]

    assert words[1] in {"query", "list"}
    assert [name for name in asked if name not in known | {"month", "quarter", "year"}] == []


@pytest.mark.parametrize("command", _of("python"), ids=_ids)
def test_a_printed_python_command_names_a_module_or_file_that_exists(command: Command) -> None:
    words = command.words[1:]
    if words[0] != "-m":
        assert (PROJECT / words[0]).is_file()
        return
    assert words[1] in {"pytest", "expectations"}
    if words[1] == "expectations":
        assert words[2] in CHECKPOINTS
        return
    places = [PROJECT / word for word in words[2:] if "/" in word]
    assert places
    assert [place for place in places if not place.exists()] == []
    for flag, word in itertools.pairwise(words):
        if flag == "-k" and word != "five_thousand":  # the test that the checklist has its reader write
            tests = [path for place in places for path in ([place] if place.is_file() else place.rglob("test_*.py"))]
            assert any(word in test for path in tests for test in _tests_of(path))


@pytest.mark.parametrize("command", _of("sqlfluff"), ids=_ids)
def test_a_printed_model_is_one_or_the_checklists_example(command: Command) -> None:
    assert [word for word in command.words if word.endswith(".sql") and not _is_model(Path(word).stem)] == []


# --- what is opened, set and looked up


def places(page: str) -> Iterator[str]:
    """Paths of the project that a page names, in code or as a link, as they are written, from the project's folder."""
    text = _text(page)
    at = Path(page).parent
    for code in printed.codes(text):
        for word in re.split(r"[\s`,;()]+", code):
            bare = word.rstrip(".:").partition("::")[0].removeprefix(".venv/bin/")
            if re.fullmatch(r"[\w.*/{}-]+", bare) and bare.split("/")[0] in ROOMS - LEFT_BY_RUNS and "/" in bare:
                yield bare
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in link:
            yield (at / link).as_posix()


@pytest.mark.parametrize("page", PAGES)
def test_a_printed_path_exists(page: str) -> None:
    gone = [
        place for place in places(page) if not list(PROJECT.glob(place.rstrip("/"))) and not _is_example(page, place)
    ]

    assert gone == []


def _is_example(page: str, place: str) -> bool:
    return page == "docs/checklists.md" and any(example in place for example in EXAMPLES)


def test_a_printed_heading_is_one_of_the_page_it_leads_to() -> None:
    wrong = []
    for page in PAGES:
        for place, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", _text(page)):
            target = (Path(page).parent / place).as_posix() if place else page
            headings = re.findall(r"^#+ (.+)$", _text(target), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            wrong += [f"{page}: {place}#{anchor}"] if anchor not in slugs else []
    assert wrong == []


@functools.cache
def _code() -> str:
    """Everything that can read a variable: not the pages, and not the tests."""
    suffixes = {".py", ".sh", ".sql", ".yml", ".yaml", ".toml", ".conf", ""}
    folders = sorted(ROOMS - LEFT_BY_RUNS - {"tests", "docs", ".git"})
    files = [PROJECT / "Makefile", *(path for folder in folders for path in (PROJECT / folder).rglob("*"))]
    return "\n".join(path.read_text("utf-8") for path in files if path.is_file() and path.suffix in suffixes)


@pytest.mark.parametrize("page", PAGES)
def test_a_printed_variable_is_one_that_something_reads(page: str) -> None:
    settings = {f"VSS_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"\b(?:VSS|DBT)_[A-Z][A-Z_]*[A-Z]\b", _text(page)))

    # dbt and mf read DBT_…; those of the test of Citus and the like are read by tests
    tests = "\n".join(
        path.read_text("utf-8") for path in (PROJECT / "tests").rglob("*.py") if path.name != Path(__file__).name
    )
    assert [name for name in named - settings if name not in _code() and name not in tests] == []


def test_every_setting_is_in_the_table_of_settings_and_no_other() -> None:
    table = _text("README.md").partition("\n## Settings\n")[2].partition("\n| under")[0]
    shown = {
        name for line in re.findall(r"^\| (`VSS.*?) \|", table, re.MULTILINE) for name in re.findall(r"VSS_\w+", line)
    }

    assert shown == {f"VSS_{name.upper()}" for name in Settings.model_fields} | {"VSS_DBT_SCHEMA"}


@pytest.mark.parametrize("page", PAGES)
def test_a_printed_relation_is_one_of_the_project(page: str) -> None:
    named = {code for code in printed.codes(_text(page)) if re.fullmatch(r"(?:rpt|fct|dim|int|stg)_[a-z_]+", code)}

    assert [
        name for name in sorted(named) if not name.endswith("_") and not _is_model(name) and not _is_example(page, name)
    ] == []


def test_every_page_is_in_the_index_of_the_readme_and_every_folder_in_its_table() -> None:
    text = _text("README.md")
    index = text.partition("\n## Pages\n")[2].partition("\n## ")[0]
    folders = set(
        re.findall(r"^\| `([\w.]+)/` \|", text.partition("\n## Folders\n")[2].partition("\n## ")[0], re.MULTILINE)
    )
    pages = {page for page in PAGES if page != "README.md"} | {"docs/decisions/", "CHANGELOG.md"}

    assert {page for page in pages if f"({page})" not in index} == set()
    assert folders == {name for name in ROOMS if (PROJECT / name / "__init__.py").exists() or name in {
        "dags", "dbt_project", "docker", "docs", "tests",
    }}  # fmt: skip


def test_every_report_and_fact_is_named_by_the_readme() -> None:
    models = {path.stem for path in (PROJECT / "dbt_project" / "models").rglob("*.sql")}
    named = set(printed.codes(_text("README.md")))

    assert {name for name in models if name.startswith(("rpt_", "fct_"))} - named == set()


def test_the_table_of_rooms_is_what_the_test_of_imports_holds() -> None:
    table = _text("CONTRIBUTING.md").partition("\n## Rooms\n")[2].partition("\n## ")[0]
    shown = {
        room: set(printed.codes(line.partition(";")[0]))
        for room, line in re.findall(r"^\| `(\w+)/` \| (.*) \|$", table, re.MULTILINE)
    }

    assert shown == {**MAY_IMPORT, "dbt_project": set()}


def test_where_something_is_changed_is_said_for_whatever_changes_often_and_every_place_exists() -> None:
    table = _text("CONTRIBUTING.md").partition("\n## Where do I change …\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| ([^|]+) \| ([^|]+) \|", table, re.MULTILINE)[1:]
    subjects = " ".join(subject for subject, _ in lines)

    for word in ("a contract", "a report", "a threshold", "the law", "clerk", "who sees", "a rule", "a schedule"):
        assert word in subjects
    for subject, home in lines:
        named = [code for code in printed.codes(home) if "/" in code and " " not in code]
        assert named, subject
        assert [place for place in named if not list(PROJECT.glob(re.sub(r"<\w+>", "*", place).rstrip("/")))] == []


# --- which test runs what is printed


@functools.cache
def _tests_of(path: Path) -> frozenset[str]:
    return frozenset(_definitions(path)) if path.is_file() else frozenset()


@functools.cache
def _definitions(path: Path) -> Mapping[str, ast.stmt]:
    """What a file of tests defines at its outermost level, by name."""
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                found |= {each.id: node for each in ast.walk(target) if isinstance(each, ast.Name)}
    return found


def said_by(path: Path, test: str) -> set[str]:
    """The words of every text in a test, in what it uses of its own file, and in the fixtures it asks for.

    `block("README.md", "## Connecting")` stands for the text of that block.
    """
    known = {**_fixtures(path.parent), **_definitions(path)}
    words: set[str] = set()
    seen: set[str] = set()
    waiting = [test]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in known:
            continue
        seen.add(name)
        docstrings = {id(node.value) for node in ast.walk(known[name]) if isinstance(node, ast.Expr)}
        for node in ast.walk(known[name]):
            if isinstance(node, ast.Name):
                waiting.append(node.id)
            elif isinstance(node, ast.arg):
                waiting.append(node.arg)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                words |= set(re.findall(r"[\w./-]+", node.value))
            elif isinstance(node, ast.Call) and _is_of_a_page(node):
                words |= set(re.findall(r"[\w./-]+", printed.block(*map(ast.literal_eval, node.args))))
    return words


def _is_of_a_page(node: ast.Call) -> bool:
    return ast.unparse(node.func) == "block" and ast.unparse(node.args[0]).endswith(".md'")


@functools.cache
def _fixtures(folder: Path) -> Mapping[str, ast.stmt]:
    """The fixtures that tests of a folder may ask for; those of the world and the demo make it with many verbs."""
    found: dict[str, ast.stmt] = {}
    for place in (PROJECT / "tests", folder):
        if (place / "conftest.py").exists():
            found |= _definitions(place / "conftest.py")
    return found


def wrong(row: Mapping[str, str]) -> str | None:
    """What is wrong with a row of commands.csv; None when its test is there and says the words of the command."""
    if bool(row["test"]) == bool(row["why"]):
        return "name a test, or say why no test can run it"
    if row["why"]:
        return None
    file, _, test = row["test"].partition("::")
    path = PROJECT / file
    if not path.is_file() or test not in _definitions(path) or not test.startswith("test_"):
        return f"there is no {row['test']}"
    program, *words = row["command"].split()
    if program == "make" and words[0] not in said_by(path, test):
        # the test has the verb that is the whole of the target's recipe
        recipe = re.fullmatch(r"\t\$\(VSS\) ([a-z -]+)\n+", targets()[words[0]])
        words = recipe[1].split() if recipe else words
    lacking = set(words if words and program != "python" else row["command"].split()) - said_by(path, test)
    return f"{row['test']} does not say {', '.join(sorted(lacking))}" if lacking else None


def test_every_printed_command_has_a_test_that_runs_it_or_a_reason() -> None:
    assert printed.missing() == [], "add rows to tests/commands.csv"


def test_every_row_is_of_a_command_that_is_printed() -> None:
    forms = {command.form for command in everything()}
    listed = [row["command"] for row in printed.rows()]

    assert sorted(set(listed) - forms) == []
    assert listed == sorted(set(listed))


@pytest.mark.parametrize("row", printed.rows(), ids=lambda row: row["command"])
def test_the_test_of_a_command_exists_and_says_its_words(row: Mapping[str, str]) -> None:
    assert wrong(row) is None


@pytest.mark.parametrize(
    ("test", "why", "words"),
    [
        ("", "", "name a test"),
        ("tests/test_documented_commands.py::test_that_was_never_written", "", "there is no"),
        ("tests/test_documented_commands.py::commands", "", "there is no"),
        ("tests/test_rooms.py::test_the_dbt_project_is_sql_only", "", "does not say --night, status"),
        ("tests/cli/test_verbs.py::test_the_last_night_is_an_empty_list_before_the_first_one", "", None),
        ("", "it needs a person", None),
    ],
)
def test_a_row_that_proves_nothing_is_found(test: str, why: str, words: str | None) -> None:
    found = wrong({"command": "vss status --night", "test": test, "why": why})

    assert (found is None) if words is None else (found is not None and words in found)


# --- how pages are read


def test_commands_are_read_out_of_blocks_and_sentences(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Type `make up` or `VSS_HOME=NEW vss restore FOLDER`; `vss` alone, `--json` and `select 1` are no commands.\n"
        '```\neval "$(.venv/bin/vss env --schema dev_x)"   # a comment\n'
        "vss build && vss publish | tee it > out.txt\nselect 1;\nvss status \\\n    --night\n"
        '.venv/bin/dbt show --inline "\n    select 1"\n```\n'
        "```yaml\nvss: nothing\n```\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(printed, "PROJECT", tmp_path)

    found = {(command.form, command.is_in_block) for command in commands("page.md")}

    assert found == {
        ("make up", False), ("vss restore", False), ("vss env --schema", True), ("vss build", True),
        ("vss publish", True), ("dbt show --inline", True), ("vss status --night", True),
    }  # fmt: skip


def test_no_page_is_left_out() -> None:
    pages: Sequence[Path] = [
        path for path in PROJECT.glob("*/*.md") if path.parent.name not in LEFT_BY_RUNS and path.parent.name[0] != "."
    ]

    assert {path.relative_to(PROJECT).as_posix() for path in pages} - set(PAGES) == {"ingestion/guide.md"}
    assert len(everything()) > 150
