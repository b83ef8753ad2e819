"""The command `vss` as a shell sees it: exit codes, one sentence on stderr, what stdout holds."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from builders import Inbox, indicators, participants
from typer.main import get_command

from cli.main import HOMES, app
from warehouse import server
from warehouse.settings import PROJECT, Settings

SUBMISSION = {
    "submission_id", "sender", "period", "version", "state", "received_at", "is_late", "errors", "feeds",
    "decisions",
}  # fmt: skip
Done = subprocess.CompletedProcess[str]


def vss(home: Path, *arguments: str, **environment: str) -> Done:
    """Run a verb with nothing in its environment but what is given; a child that keeps its pipes open is an error."""
    return subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "VSS_HOME": str(home), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def assert_one_sentence(done: Done, code: int, *words: str) -> None:
    """The exit code, and one sentence on stderr that holds these words; nothing on stdout, no traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert re.fullmatch(r"vss: [^\n]+\n", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


# ------------------------------------------------------------------------------------------------------ exit codes


@pytest.mark.parametrize("verb", ["ingest", "nightly"])
def test_a_missing_inbox_is_wrong_usage(configured: Settings, tmp_path: Path, verb: str) -> None:
    done = vss(configured.home, verb, "--inbox", str(tmp_path / "nowhere"))
    assert_one_sentence(done, 2, "nowhere", "does not exist", "VSS_INBOX")


def test_the_inbox_of_the_settings_may_be_the_missing_one(configured: Settings, tmp_path: Path) -> None:
    assert_one_sentence(vss(configured.home, "ingest", VSS_INBOX=str(tmp_path / "gone")), 2, "gone")


@pytest.mark.parametrize("wanted", ["7", "yesterday", "2020-01-01"])
def test_an_unknown_publication_is_wrong_usage(configured: Settings, wanted: str) -> None:
    done = vss(configured.home, "as-of", wanted, "select * from publication")
    assert_one_sentence(done, 2, wanted, "bi.publication")


def test_an_unreachable_database_ends_in_4(tmp_path: Path) -> None:
    done = vss(tmp_path, "status", VSS_DATABASE_URL="postgresql://somebody:secret@127.0.0.1:1/vss")
    assert_one_sentence(done, 4, "127.0.0.1:1", "cannot be reached")
    assert "secret" not in done.stderr


def test_a_busy_port_ends_in_4(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = vss(home, "status", VSS_PORT=port)
    assert_one_sentence(done, 4, port, "VSS_PORT")


@pytest.mark.parametrize(
    ("name", "value"), [("VSS_PORT", "http"), ("VSS_DATABASE_URL", "postgresql:///vss"), ("VSS_DATABASE_URL", "vss")]
)
def test_a_wrong_setting_is_wrong_usage(tmp_path: Path, name: str, value: str) -> None:
    assert_one_sentence(vss(tmp_path, "status", **{name: value}), 2, name)


def test_a_database_that_was_never_migrated_is_wrong_usage_and_stays_untouched(
    configured: Settings, home: Path
) -> None:
    url = server.ensure_running(configured).replace("/vss", "/postgres")
    done = vss(home, "status", VSS_DATABASE_URL=url)
    assert_one_sentence(done, 2, "vss migrate")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("status", "--nonsense"),
        ("receipt",),
        ("receipt", "nobody"),
        ("release", "nobody", "--reason", "none"),
        ("reject", "nobody"),
        ("url", "--role", "postgres"),
        ("rollback", "7"),
        ("rollback", "first"),
        ("synth", "--out", "x", "--from", "2021-13"),
        ("synth", "--out", "x", "--scale", "7"),
    ],
)
def test_wrong_usage_ends_in_2(configured: Settings, arguments: tuple[str, ...]) -> None:
    assert_one_sentence(vss(configured.home, *arguments), 2)


def test_a_rejected_submission_ends_in_3_and_the_next_run_in_0(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)}, declared={"participants": {"rows": 4}})
    first = vss(inbox.settings.home, "ingest", "--inbox", str(inbox.root))
    assert (first.returncode, first.stdout) == (3, f"province-26/{folder.name}: rejected\n")
    assert first.stderr == ""
    second = vss(inbox.settings.home, "ingest", "--inbox", str(inbox.root))
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_what_is_accepted_and_what_waits_ends_in_0_with_a_receipt_in_the_outbox(inbox: Inbox) -> None:
    sent = inbox.send({"indicators": indicators(si_compulsory=9, hi=20)})
    waiting = inbox.send({"participants": participants(1)}, sender="province-46")
    (waiting / "participants.csv").unlink()
    done = vss(inbox.settings.home, "ingest", "--inbox", str(inbox.root))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"province-26/{sent.name}: accepted",
        f"province-46/{waiting.name}: waiting",
    ]
    assert (inbox.settings.home / "outbox" / "province-26" / sent.name / "receipt.json").exists()


def test_ingest_can_be_narrowed_to_a_sender(inbox: Inbox) -> None:
    for sender in ("province-26", "province-46"):
        inbox.send({"participants": participants(1)}, sender=sender, declared={"participants": {"rows": 4}})
    done = vss(inbox.settings.home, "ingest", "--inbox", str(inbox.root), "--sender", "province-46")
    assert done.stdout == "province-46/province-46-2021-10-v1: rejected\n"


def test_only_debug_shows_a_traceback(tmp_path: Path) -> None:
    done = vss(tmp_path, "--debug", "status", VSS_DATABASE_URL="postgresql://somebody:secret@127.0.0.1:1/vss")
    assert "Traceback" in done.stderr
    assert "UnreachableError" in done.stderr
    assert "secret" not in done.stderr


# --------------------------------------------------------------------------------------------------- what is printed


def test_status_and_receipt_as_json_have_the_keys_of_the_interface(inbox: Inbox) -> None:
    folder = inbox.send({"participants": [*participants(3), *participants(1, sex="?")]})
    inbox.accept(folder)
    listed = vss(inbox.settings.home, "status", "--json")
    told = vss(inbox.settings.home, "receipt", folder.name, "--json")
    assert (listed.returncode, listed.stderr, told.returncode, told.stderr) == (0, "", 0, "")
    (entry,) = json.loads(listed.stdout)
    receipt = json.loads(told.stdout)
    assert set(entry) == SUBMISSION
    assert set(receipt) == SUBMISSION | {"rejects", "annotated"}
    assert {**entry, "rejects": receipt["rejects"], "annotated": []} == receipt
    assert receipt == {**inbox.receipt(folder), "annotated": []}


def test_status_and_receipt_for_people_name_state_rows_and_the_cell(inbox: Inbox) -> None:
    folder = inbox.send({"participants": [*participants(3), *participants(1, sex="?")]})
    inbox.accept(folder)
    listed = vss(inbox.settings.home, "status", "--period", "2021-10")
    assert re.search(
        rf"province-26\s+{folder.name}\s+2021-10\s+participants\s+accepted_with_rejects\s+4\s+1", listed.stdout
    )
    told = vss(inbox.settings.home, "receipt", folder.name)
    assert "participants.csv row 5, sex: E-ENUM" in told.stdout


def test_the_last_night_is_an_empty_list_before_the_first_one(inbox: Inbox) -> None:
    done = vss(inbox.settings.home, "status", "--night", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


@pytest.mark.parametrize("role", [None, "vss_reader_25", "vss_engineer"])
def test_the_url_connects_as_its_role(configured: Settings, role: str | None) -> None:
    done = vss(configured.home, "url", *(["--role", role] if role else []))
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    with psycopg.connect(done.stdout.strip()) as database:
        assert database.execute("select current_user::text").fetchone() == (role or "vss_reader",)


def test_the_environment_can_be_evaluated_by_a_shell(configured: Settings) -> None:
    done = vss(configured.home, "env")
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    assert {line[0] for line in lines} == {"export"}
    values = dict(line[1].split("=", 1) for line in lines)
    assert (values["VSS_DBT_USER"], values["VSS_DBT_TARGET"]) == ("vss_engineer", "dev")
    assert values["DBT_PROJECT_DIR"] == str(PROJECT / "dbt_project")
    with psycopg.connect(
        host=values["VSS_DBT_HOST"], port=values["VSS_DBT_PORT"], user=values["VSS_DBT_USER"],
        password=values["VSS_DBT_PASSWORD"], dbname=values["VSS_DBT_DATABASE"],
    ) as database:  # fmt: skip
        assert database.execute("select current_user::text").fetchone() == ("vss_engineer",)


@pytest.mark.parametrize(
    ("arguments", "set_before", "schema"),
    [
        (["--schema", "dev"], {}, "dev"),
        (["--schema", "dev_lan"], {"VSS_DBT_SCHEMA": "dev_minh"}, "dev_lan"),
        ([], {"VSS_DBT_SCHEMA": "dev_minh"}, "dev_minh"),
        ([], {"LOGNAME": "Lan.Nguyen"}, "dev_lan_nguyen"),
    ],
)
def test_an_engineer_has_a_schema_and_a_manifest_apart(
    configured: Settings, arguments: list[str], set_before: dict[str, str], schema: str
) -> None:
    exported = vss(configured.home, "env", *arguments, **set_before).stdout.splitlines()
    assert f"export VSS_DBT_SCHEMA={schema}" in exported
    assert f"export DBT_TARGET_PATH={configured.home}/dbt/{schema}" in exported
    # nothing is published here: nothing to defer to
    assert {"export DBT_DEFER=false", "export DBT_STATE=''"} <= set(exported)


@pytest.mark.parametrize("schema", ["marts", "bi", "dev_", "dev_Lan", "developer", "dev_lan; drop schema bi"])
def test_dbt_builds_into_an_engineers_own_schema_only(configured: Settings, schema: str) -> None:
    assert_one_sentence(vss(configured.home, "env", "--schema", schema), 2, schema, "dev_<name>")


# ----------------------------------------------------------------------------------- help, and life of the server


def test_the_help_lists_every_verb_and_the_exit_codes(tmp_path: Path) -> None:
    done = vss(tmp_path / "nowhere", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for verb in (
        "migrate", "synth", "ingest", "build", "publish", "nightly", "status", "receipt", "url", "env", "down", "as-of",
        "report",
    ):  # fmt: skip
        assert re.search(rf"^  {verb} ", done.stdout, re.MULTILINE), verb
    assert "Exit codes" in done.stdout
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("home", sorted(HOMES))
def test_every_verb_is_found_in_the_file_that_is_its_home(home: str) -> None:
    alone = get_command(app(HOMES[home][0])).commands

    assert sorted(alone) == sorted(HOMES[home])


@pytest.mark.parametrize("verb", sorted(get_command(app()).commands))
def test_every_verb_explains_itself_without_a_warehouse(verb: str) -> None:
    command = get_command(app()).commands[verb]
    context = command.make_context(verb, [], parent=None, resilient_parsing=True)
    text = command.get_help(context)
    assert command.help
    assert "Usage" in text
    assert [option.name for option in command.params if option.param_type_name == "option" and not option.help] in (
        [],
        ["reason"],
    )


def test_a_verb_that_starts_the_server_leaves_no_child_that_holds_its_output(home: Path) -> None:
    # the pipes of this call close although the server goes on: else it would end in TimeoutExpired
    started = vss(home, "status", "--json")
    assert (started.returncode, started.stdout.strip(), started.stderr) == (0, "[]", "")
    assert server.stop(Settings(home=home)) is True


def test_down_stops_the_server_of_this_home_and_can_be_repeated(home: Path) -> None:
    settings = Settings(home=home)
    server.ensure_running(settings)
    assert vss(home, "down").stdout == "Stopped.\n"
    assert vss(home, "down").stdout == "It was not running.\n"
    assert not (home / "postgres" / "data" / "postmaster.pid").exists()


def test_synth_needs_no_warehouse(tmp_path: Path) -> None:
    done = vss(tmp_path / "home", "synth", "--out", str(tmp_path / "out"), "--provinces", "26", "--scale", "0.00001")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "province-26").is_dir()
    assert not (tmp_path / "home").exists()


def test_a_reader_that_goes_away_is_no_error(configured: Settings) -> None:
    command = shlex.join([sys.executable, "-c", "from cli.main import main; main()", "env"])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | true"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "VSS_HOME": str(configured.home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
