"""Commands typed into bash as the pages print them, in a copy of the project: those that no other test runs.

tests/commands.csv says which command is run by which test. What takes more than some seconds is `long`; the day of an
engineer, the metrics and the guide have quick tests of their own.
"""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from builders import Inbox, arrears, employers, participants, write_csv
from demo_warehouse import Demo
from printed import block, lines
from shown import World

from warehouse import roles
from warehouse.connection import role_url
from warehouse.server import installed_binaries
from warehouse.settings import PROJECT, Settings

LEFT_BY_RUNS = shutil.ignore_patterns(
    ".git", ".venv", ".venv-superset", "var", "target", "logs", "dbt_packages", "__pycache__", ".*_cache", ".hypothesis"
)
# a path in a page is somebody's own: the test has another
MINE = {"/backups": "backups", "/new/home": "another"}


@dataclass(frozen=True)
class Shell:
    """A shell in the project's folder, with nothing set but where the warehouse is and `vss` on the path."""

    project: Path
    home: Path
    inbox: Path | None = None

    def run(self, script: str, *, stdin: str = "", expect: int = 0, timeout: int = 300) -> str:
        """What a script prints; fails the test when it ends otherwise than expected."""
        for path, mine in MINE.items():
            script = re.sub(rf"(?<![\w/]){re.escape(path)}(?!\w)", str(self.beside(mine)), script)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=self.project, env=self.environment, input=stdin,
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        assert done.returncode == expect, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def beside(self, name: str) -> Path:
        """A place of the test's own that a server of another system user can reach, outside the home."""
        return self.home.with_name(f"{self.home.name}-{name}")

    @property
    def environment(self) -> dict[str, str]:
        # psql is the machine's, or else the one that came with the server
        path = [str(self.project / "bin"), os.environ["PATH"], str(installed_binaries())]
        variables = {"PATH": ":".join(path), "HOME": str(self.project), "VSS_HOME": str(self.home)}
        variables |= {"PYTHONPATH": str(self.project), "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
        return variables | ({"VSS_INBOX": str(self.inbox)} if self.inbox else {})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project as `make setup` leaves a clone: `.venv/bin` with what the pages call, `vss` among it."""
    copy = tmp_path_factory.mktemp("clone") / "vss"
    shutil.copytree(PROJECT, copy, ignore=LEFT_BY_RUNS)
    for place in (copy / ".venv" / "bin", copy / "bin"):
        place.mkdir(parents=True)
    installed = Path(sys.executable).parent
    for name in ("python", "dbt", "mf", "sqlfluff", "pre-commit", "ruff", "mypy", "dbt-bouncer", "dbt-score"):
        _script(copy / ".venv" / "bin" / name, f'exec {installed / name} "$@"')
    for place in (copy / ".venv" / "bin", copy / "bin"):
        _script(place / "vss", f'exec {sys.executable} -P -c "from cli.main import main; main()" "$@"')
    (copy / ".venv" / "ready").touch()
    return copy


def _script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def shell(project: Path, demo: Demo) -> Shell:
    """At the demo."""
    return Shell(project, demo.home)


@pytest.fixture
def clerk(project: Path, inbox: Inbox, tmp_path: Path) -> Iterator[Shell]:
    """At a small warehouse with an empty ledger, in a folder of one's own."""
    inbox.root.mkdir(exist_ok=True)
    made = Shell(project, inbox.settings.home, inbox.root)
    yield made
    for left in MINE.values():
        shutil.rmtree(made.beside(left), ignore_errors=True)


# --- README, the BI guide and the metrics: somebody connects


def test_the_readme_connects_as_the_country_as_a_province_and_as_an_engineer(shell: Shell) -> None:
    country, province, as_of, engineer = lines(block("README.md", "## Connecting"))
    question = "select string_agg(distinct province_code, ' ' order by province_code) from rpt_plan_attainment;"

    assert len(shell.run(country, stdin=question).split()) > 8
    assert re.findall(r"\d\d|national", shell.run(province, stdin=f"\\pset tuples_only\n{question}")) == ["26"]
    answers = list(csv.DictReader(io.StringIO(shell.run(as_of))))
    assert ("2021-10-01", "hi", "1099580") in [tuple(row.values()) for row in answers]
    assert shell.run(f'{engineer}\nprintf "%s %s" "$VSS_DBT_USER" "$VSS_DBT_SCHEMA"').startswith("vss_engineer dev")


def test_the_guide_for_analysts_connects_and_leads_from_a_figure_to_its_cells(shell: Shell) -> None:
    connect, *statements = block("docs/bi-guide.md", "## Connecting").splitlines()
    traced, *_ = lines(block("docs/bi-guide.md", "## From a figure to its cell"))
    in_sql = block("docs/bi-guide.md", "## From a figure to its cell", 2)

    shown = shell.run(connect, stdin="\n".join(["\\set ON_ERROR_STOP on", *statements, in_sql]))
    assert "Figures rest on 27 accepted submissions" in shown
    assert re.search(r"province-26 +\| +contributions\S* +\|", shown)
    told = shell.run(traced)
    assert "sha256" in told
    assert "adds up" in told or "add up" in told


def test_the_exports_of_the_metrics_page_make_a_reader_of_bi(shell: Shell) -> None:
    setting = [line for line in lines(block("docs/metrics.md", "## How to ask")) if "dbt parse" not in line]

    told = shell.run("\n".join([*setting, 'echo "$DBT_TARGET_PATH $TMPDIR"', "printenv VSS_DBT_PASSWORD"])).split()

    assert told[:2] == [f"{shell.project}/dbt_project/target", f"{shell.home}/dbt"]
    assert f":{told[2]}@" in role_url(Settings(home=shell.home), roles.READER)


def test_a_publication_and_itself_do_not_differ_in_any_form(shell: Shell) -> None:
    asked = [
        re.sub(r"diff \S+ \S+", "diff 1 1", line)
        for line in lines(block("docs/differences.md", "# What differs between two publications"))
    ]

    text, _, of_one, as_csv, as_json = [shell.run(line) for line in asked]

    assert "Nothing differs" in text and "Nothing differs" in of_one
    assert len(as_csv.splitlines()) == 1 and as_csv.startswith("relation,")
    assert '"figures"' in as_json


def test_the_answers_of_the_guide_written_anew_are_those_that_stand_there(shell: Shell) -> None:
    before = (shell.project / "docs" / "bi-guide.md").read_bytes()

    shell.run('.venv/bin/python tests/acceptance/guide_answers.py "$(.venv/bin/vss url)"')

    assert (shell.project / "docs" / "bi-guide.md").read_bytes() == before


def test_the_headline_and_the_last_night_are_printed_and_the_report_is_written(shell: Shell, tmp_path: Path) -> None:
    shell.run(f"vss report --out {tmp_path}")
    assert "Vĩnh Phúc" in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Vĩnh Phúc" in shell.run("vss headline")
    assert re.search(r"publish +\S*", shell.run("vss status --night"))


# --- submission guide: what a clerk types


def test_every_way_to_pack_that_the_guide_prints_makes_a_folder_that_is_checked(clerk: Shell, tmp_path: Path) -> None:
    guide = (PROJECT / "docs" / "submission-guide.md").read_text(encoding="utf-8")
    printed = re.findall(r"`(vss pack …[^`]+)`", guide)
    write_csv(tmp_path / "arrears.csv", arrears(2))
    paid = {
        "payer_kind": "employer",
        "payer_code": "TA0001A",
        "fund": "HI",
        "liability_month": "2021-10",
        "due_vnd": "9",
        "paid_vnd": "8",
    }
    write_csv(tmp_path / "contributions.csv", [paid])
    clerk.run(f"vss keys new --out {tmp_path}/key.pem")
    recipient = re.search(r"^(age1\w+)$", clerk.run("vss keys recipient"), re.MULTILINE)
    assert recipient is not None

    packed = {}
    for number, line in enumerate(printed):
        whole = line.replace("…", f"--sender province-26 --period 2021-10 --out {tmp_path}/{number}", 1)
        whole = whole.replace("KHÓA.pem", "key.pem").replace("age1…", recipient[1])
        if not re.search(r"\.csv|\.xlsx|--nil|void", whole):
            whole += " arrears.csv"
        told = clerk.run(f"cd {tmp_path}\n" + whole.replace("arrears.xlsx", "arrears.csv"))
        packed[line] = told.splitlines()[-1]
    clerk.run(f"vss check {packed[printed[0]]}")

    options = {word for line in printed for word in re.findall(r"--[a-z]+", line)}
    assert options == {"--version", "--action", "--nil", "--basis", "--unit", "--key", "--encrypt"}
    assert (Path(packed[next(line for line in printed if "--key" in line)]) / "manifest.sig").exists()
    assert list(Path(packed[next(line for line in printed if "--encrypt" in line)]).glob("*.age"))


# --- runbook and privacy: what operations type


def test_a_held_submission_is_released_and_another_one_rejected(clerk: Shell, inbox: Inbox, tmp_path: Path) -> None:
    for place, period in enumerate(("2021-10", "2021-11")):
        clerk.run(f"vss pack --sender province-26 --period {period} --nil participants --out {tmp_path}/{place}")
        shutil.copytree(tmp_path / str(place) / "province-26", inbox.root / "province-26", dirs_exist_ok=True)
    assert clerk.run("vss ingest").count(": held") == 2

    clerk.run('vss release p26-2021-10-v1 --reason "the office was closed"')
    clerk.run('vss reject p26-2021-11-v1 --reason "the list was forgotten" --by "Lan"')

    assert re.findall(r"2021-1\d +participants +(\w+)", clerk.run("vss status")) == ["accepted", "rejected"]
    assert "the list was forgotten" in clerk.run("vss receipt p26-2021-11-v1")


def test_where_nothing_was_published_nothing_is_pruned(clerk: Shell) -> None:
    assert "Publications would be pruned: none" in clerk.run("vss prune --dry-run")
    assert "Publications pruned: none" in clerk.run("vss prune")


def test_a_person_is_identified_and_erased_as_the_page_prints_it(clerk: Shell, inbox: Inbox) -> None:
    inbox.accept(inbox.send({"participants": participants(2)}))
    number = participants(1)[0]["si_number"]
    by_key, by_number, log = lines(block("docs/privacy.md", "## Who a key is"))
    erase_by_number, erase_by_key = lines(block("docs/privacy.md", "## Erasing"))
    (again,) = lines(block("docs/privacy.md", "## Erasing", 2))

    found = clerk.run(by_number, stdin=f"{number}\n")
    key = re.search(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", found)
    assert key is not None
    assert number in clerk.run(re.sub(r"(identify|erase) [0-9a-f]{8}-\S+", rf"\1 {key[0]}", by_key))
    assert clerk.run(log).count("case 152/2026/HS-TTKT") == 4
    assert "participants: 1 rows overwritten." in clerk.run(erase_by_number, stdin=f"{number}\n")
    assert "No row of raw names" in clerk.run(re.sub(r"erase [0-9a-f]{8}-\S+", f"erase {key[0]}", erase_by_key))
    assert "Nobody who was erased came back." in clerk.run(again)


# --- the Makefile


def test_make_help_lists_what_can_be_made_and_clean_leaves_nothing(clerk: Shell) -> None:
    home = clerk.beside("another")
    home.mkdir(mode=0o755)
    other = replace(clerk, home=home)

    assert {"demo", "test", "up", "superset"} <= {line.split()[0] for line in clerk.run("make help").splitlines()}
    other.run("vss synth --out $VSS_HOME/inbox --provinces 46 --from 2021-12 --to 2021-12 --scale 0.001")
    other.run("vss url && make superset-stop && make down && make clean")
    assert not home.exists()


# --- long


@pytest.mark.long  # some two minutes: eight starts of dbt
def test_the_engineers_day_is_as_printed(shell: Shell) -> None:
    evaluate, listed, *day = lines(block("CONTRIBUTING.md", "## A data engineer's day"))
    (compare,) = lines(block("CONTRIBUTING.md", "## A data engineer's day", 2))
    model = shell.project / "dbt_project/models/reports/rpt_collection.sql"
    before = model.read_text(encoding="utf-8")

    assert "does not match any enabled nodes" in shell.run(f"{evaluate}\n{listed}", expect=2)
    model.write_text(before.replace("sum(due_gap_ytd_vnd)", "sum(greatest(due_gap_ytd_vnd, 0))"), encoding="utf-8")
    stopped = shell.run(f"{evaluate}\n{day[1]}", expect=1)
    assert "gaps_of_the_country_are_those_of_its_provinces" in stopped
    model.write_text(
        before.replace("attainment.attainment_pct,", "round(attainment.attainment_pct, 1) as attainment_pct,"), "utf-8"
    )
    try:
        told = shell.run("\n".join([evaluate, *day, compare]), timeout=900)
    finally:
        model.write_text(before, encoding="utf-8")
    cleared = shell.run("psql \"$(.venv/bin/vss url --role vss_engineer)\" -c 'drop schema dev_lan cascade'")

    assert told.count("ERROR=0") == len(day)
    assert "2021-10-01" in told.rpartition("ERROR=0")[2]
    assert "DROP SCHEMA" in cleared


@pytest.mark.long  # a start of Great Expectations; `tests/expectations/test_fused.py` runs it by name
def test_the_checkpoint_of_a_submission_is_there_by_name(shell: Shell) -> None:
    assert shell.run(".venv/bin/python -m expectations submission p10-2021-10-v1").splitlines()[-1] == "passed"


@pytest.mark.long  # a second server; `tests/cli/test_backup_verbs.py` has the rest
def test_a_home_is_backed_up_checked_and_restored_as_the_runbook_prints_it(clerk: Shell, inbox: Inbox) -> None:
    inbox.accept(inbox.send({"employers": employers(4)}))
    backup, check, restore = lines(block("docs/runbook.md", "## Backup and restore"))

    try:
        assert "Backup:" in clerk.run(backup)
        assert "is whole" in clerk.run(check)
        clerk.run(restore)
        told = clerk.run("VSS_HOME=/new/home vss status")
    finally:
        clerk.run("VSS_HOME=/new/home vss down")

    assert re.search(r"employers +accepted +4", told)


@pytest.mark.long  # the first build of a warehouse
def test_months_are_gone_over_again_as_the_runbook_prints_it(clerk: Shell, inbox: Inbox) -> None:
    bad = inbox.send({"employers": employers(4)}, period="2021-10", declared={"employers": {"rows": 9}})
    assert inbox.load(bad).state == "rejected"
    plan, do = lines(block("docs/runbook.md", "## Backfill"))

    assert "Nothing was touched." in clerk.run(plan)
    clerk.run(do, expect=3)

    assert inbox.query("select reason from ops.replay") == [("new rule for tax codes",)]


@pytest.mark.long  # a minute: six starts of dbt and mf
def test_every_question_of_the_metrics_page_is_answered(shell: Shell) -> None:
    setting = block("docs/metrics.md", "## How to ask")
    listed, *asked = lines(block("docs/metrics.md", "## How to ask", 2))

    told = shell.run("\n".join([setting, listed]))
    assert "hi_coverage_pct" in told
    for question in asked:
        answer = shell.run("\n".join([setting.replace(".venv/bin/dbt parse", ":"), question]))
        assert "Success" in answer


@pytest.mark.long  # the small world is made for it
def test_what_differs_in_the_small_world_is_what_the_page_prints(project: Path, world: World) -> None:
    first, *_ = lines(block("docs/differences.md", "# What differs between two publications"))
    shell = Shell(project, world.settings.home)
    page = (PROJECT / "docs" / "differences.md").read_text(encoding="utf-8")
    printed = re.search(r"^```\n(From publication.*?)```$", page, re.DOTALL | re.MULTILINE)
    assert printed is not None

    told = {line.rstrip() for line in shell.run(first.replace("41 42", "1 2")).splitlines()}

    expected = [line for line in printed[1].splitlines()[1:] if line not in {"", "…"}]
    assert [line for line in expected if line not in told] == []


@pytest.mark.long  # five starts of dbt
def test_the_checklist_of_a_report_can_be_followed_to_the_letter(shell: Shell) -> None:
    page = (PROJECT / "docs" / "checklists.md").read_text(encoding="utf-8")
    section = page.partition("\n## A report\n")[2].partition("\n## ")[0]
    reports = shell.project / "dbt_project" / "models" / "reports"
    written = []
    for name, body in re.findall(r"`dbt_project/models/reports/(\w+\.\w+)`.*?```\w+\n(.*?)```", section, re.DOTALL):
        written.append(reports / name)
        written[-1].write_text(re.sub(r"^ {3}", "", body, flags=re.MULTILINE), encoding="utf-8")
    evaluate = block("docs/checklists.md", "# Checklists")
    try:
        built = shell.run(f"{evaluate}.venv/bin/dbt build --select rpt_outreach")
        shown = shell.run(
            f'{evaluate}.venv/bin/dbt show --limit 20 --inline "select month, province_code, kind, events, attendees'
            ' from dev_lan.rpt_outreach order by month, kind"'
        )
        linted = shell.run(".venv/bin/sqlfluff lint dbt_project/models/reports/rpt_outreach.sql")
    finally:
        for path in written:
            path.unlink()
        with psycopg.connect(role_url(Settings(home=shell.home), roles.ENGINEER), autocommit=True) as connection:
            connection.execute("drop schema if exists dev_lan cascade")

    assert [path.name for path in written] == [
        "rpt_outreach.sql", "_outreach__models.yml", "_outreach__unit_tests.yml",
    ]  # fmt: skip
    assert "PASS=3 WARN=0 ERROR=0" in built
    assert "conference" in shown
    assert linted.strip() == "All Finished!"


@pytest.mark.long  # two starts of pytest with a server each
def test_the_checklist_of_a_rule_can_be_followed_to_the_letter(project: Path, tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "checklists.md").read_text(encoding="utf-8")
    section = page.partition("**A submission is held**")[2].partition("\n## ")[0]
    test, threshold, message, column, rule, explanation = (
        re.sub(r"^ {3}", "", body, flags=re.MULTILINE) for body in re.findall(r"```\w*\n(.*?) +```", section, re.DOTALL)
    )
    run = re.search(r"`(\S+ -m pytest \S+ -k five_thousand)`", section)
    assert run is not None
    copy = tmp_path / "vss"
    shutil.copytree(project, copy)
    shell = Shell(copy, tmp_path)

    _put(copy / "tests" / "expectations" / "test_submission_gate.py", test)
    assert "assert [] == ['E-HELD-EVENTS']" in shell.run(run[1], expect=1)
    _put(copy / "expectations" / "thresholds.csv", threshold)
    _put(copy / "ingestion" / "codes.py", message, before='    "E-HELD-NIL": Message(')
    _put(copy / "expectations" / "business.py", column, before='    "forbidden_nil"')
    _put(copy / "expectations" / "business.py", rule, before='        _rule(\n            "E-HELD-NIL"')
    _put(copy / "expectations" / "business.py", explanation)
    assert "2 passed" in shell.run(run[1])


def _put(path: Path, text: str, *, before: str | None = None) -> None:
    """What a checklist says: at the end of a file, or before its first line that begins so."""
    old = path.read_text(encoding="utf-8")
    head, mark, tail = old.partition(before) if before else (old, "", "")
    assert bool(mark) == bool(before)
    path.write_text(head + text + mark + tail, encoding="utf-8")


@pytest.mark.long  # starts of pytest, and the whole of ruff, mypy, sqlfluff and dbt's linters
def test_one_file_one_word_and_the_hooks_are_run_as_contributing_prints_it(project: Path, home: Path) -> None:
    shell = Shell(project, home)
    _, one_file, one_word, _, _, hooks = lines(block("CONTRIBUTING.md", "## Tests and lint"))
    install = next(line for line in lines(block("CONTRIBUTING.md", "## Set-up")) if "pre-commit" in line)

    for line in (one_file, one_word):
        assert re.search(r"[1-9]\d* passed", shell.run(line))
    shell.run("git init -q . && git add -A")
    shell.run(install)
    assert (project / ".git" / "hooks" / "pre-commit").exists()
    assert shell.run(hooks, timeout=900).count("Passed") == 4
