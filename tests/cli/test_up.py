"""`vss up` without its parts: what they are told, whether they were told something else, and how they are ended."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from cli import airflow_process, stack
from ingestion.deadlines import LOCAL
from night import watch
from warehouse.settings import PROJECT, Settings


def test_what_is_given_as_a_relative_path_names_the_same_place_for_a_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"HOME": "home", "INBOX": "in", "OUTBOX": "out", "ARCHIVE": "kept", "ALERT_CONTACTS": "contacts.csv"}
    for name, value in given.items():
        monkeypatch.setenv(f"VSS_{name}", value)
    monkeypatch.setattr(airflow_process, "metadata_url", lambda _: "postgresql+psycopg2://nobody@127.0.0.1/nothing")
    monkeypatch.chdir(tmp_path)
    here = Settings()
    for name, value in airflow_process.environment(here).items():
        if name.startswith("VSS_"):
            monkeypatch.setenv(name, value)
    # as tasks are started
    monkeypatch.chdir(PROJECT)
    there = Settings()

    assert there == here
    assert (there.inbox, there.outbox, there.archive) == (tmp_path / "in", tmp_path / "out", str(tmp_path / "kept"))
    assert there.alert_contacts == tmp_path / "contacts.csv"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("kept", "{here}/kept"), ("file://kept", "file://{here}/kept"), ("/srv/kept", "/srv/kept"),
        ("file:///srv/kept", "file:///srv/kept"), ("s3://vss/kept", "s3://vss/kept"),
        ("simplecache::s3://vss/kept", "simplecache::s3://vss/kept"),
    ],
)  # fmt: skip
def test_an_archive_that_is_a_folder_is_named_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, meant: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings(home=tmp_path, archive=given).archive == meant.format(here=tmp_path)


def test_settings_that_have_changed_since_the_parts_were_started_are_noticed(tmp_path: Path) -> None:
    started = Settings(home=tmp_path, alert_webhook=SecretStr("https://example.vn/one"))
    assert not stack.has_other_settings(started)
    stack._note_settings(started)

    assert not stack.has_other_settings(started.model_copy())
    assert stack.has_other_settings(started.model_copy(update={"night_grace_minutes": 45}))
    assert stack.has_other_settings(started.model_copy(update={"alert_webhook": SecretStr("https://example.vn/two")}))
    (kept,) = (tmp_path / "up").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    assert "example.vn" not in kept.read_text(encoding="utf-8")


def test_no_night_is_expected_after_the_end_whatever_looked_for_one_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    watch.expect_nights(settings, now=dt.datetime.now(tz=LOCAL))
    (tmp_path / "up" / "supervisord.conf").write_text("[program:one]\n", encoding="utf-8")
    supervisor = (
        "import signal, sys; from pathlib import Path\n"
        "def end(*_): Path(sys.argv[1]).write_text('2021-11-03T06:30:00+07:00'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", supervisor, str(watch._mark(settings))], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        watch.expect_none(settings)
        monkeypatch.setattr(stack, "running", lambda _: running.pid)

        assert stack.stop(settings) is True

    assert running.returncode == 0
    assert watch.expected_since(settings) is None


def test_a_supervisor_is_waited_for_as_long_as_its_parts_may_take_one_after_the_other(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (stack._folder(settings) / "supervisord.conf").write_text("[program:a]\n" * 7, encoding="utf-8")
    assert stack._longest_end(settings) > 7 * stack._STOP_SECONDS
