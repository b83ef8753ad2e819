"""Alerts: one message a recipient and run, told once, whatever a channel does; the run never minds."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import shutil
import stat
import string
import threading
import time
from collections.abc import Iterator
from mailbox import (
    closed_port,
    mail_server,
    own_certificate,
    silent_server,
    web_server,
)
from pathlib import Path
from typing import Any

import pytest
from builders import Inbox, participants
from pydantic import SecretStr, ValidationError

from ingestion.deadlines import LOCAL
from ingestion.decision import decide_held, settle
from night import channels
from night.alerts import Alert, of_run, tell, tell_run
from night.channels import Letter
from night.journal import Stage, stage, write
from night.phrases import PHRASES
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import GateFailedError
from warehouse.settings import Settings

NOW = dt.datetime(2021, 11, 3, 1, 20, tzinfo=LOCAL)
PASSWORD = "correct-horse"


def an_alert(key: str, recipient: str = "province-26") -> Alert:
    return Alert(key, recipient, f"Việc {key}", f"Matter {key}", "Hãy sửa rồi gửi lại.", "Mend it and send it again.")


@pytest.fixture
def quiet(configured: Settings) -> Iterator[Settings]:
    """A warehouse in which nothing has been told, and nothing lies under alerts."""
    _forget(configured)
    yield configured
    _forget(configured)


def _forget(settings: Settings) -> None:
    with connect(settings, roles.MIGRATOR) as connection:
        for table in ("alert_delivery", "alert", "alert_message"):
            connection.execute(f"delete from ops.{table}".encode())
    shutil.rmtree(settings.home / "alerts", ignore_errors=True)


def mailing(settings: Settings, port: int, tmp_path: Path, *, scheme: str = "smtp") -> Settings:
    """The settings with mail: province-26 has an address, province-01 has none."""
    book = tmp_path / "contacts.csv"
    book.write_text("sender,email\nprovince-26,vinh-phuc@example.vn\ntax,tax@example.vn\n", encoding="utf-8")
    return settings.model_copy(
        update={
            "alert_smtp_url": SecretStr(f"{scheme}://vss:{PASSWORD}@127.0.0.1:{port}"),
            "alert_from": "warehouse@example.vn",
            "alert_to": "ops@example.vn, second@example.vn",
            "alert_contacts": book,
        }
    )


def posting(settings: Settings, port: int) -> Settings:
    return settings.model_copy(
        update={"alert_webhook": SecretStr(f"http://u:{PASSWORD}@127.0.0.1:{port}/hook/s3cr3t?a=1")}
    )


def written(settings: Settings) -> dict[str, str]:
    """The texts under alerts, by folder and name."""
    root = settings.home / "alerts"
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in sorted(root.rglob("*.txt"))}


def deliveries(settings: Settings) -> list[tuple[Any, ...]]:
    with connect(settings, roles.LOADER) as connection:
        return connection.execute(
            "select m.recipient, d.channel, d.state, d.attempts, d.problem from ops.alert_delivery d"
            " join ops.alert_message m using (message_no) order by m.message_no, d.channel"
        ).fetchall()


# ---------------------------------------------------------------------------------------------------------------- once


def test_each_recipient_gets_one_message_of_a_run_with_all_that_concerns_it(quiet: Settings) -> None:
    told = tell(quiet, "night-1", [an_alert("a"), an_alert("b", "operations"), an_alert("c")], now=NOW)
    assert told == 3
    texts = written(quiet)
    assert list(texts) == ["2021-11-03/operations-night-1.txt", "2021-11-03/province-26-night-1.txt"]
    text = texts["2021-11-03/province-26-night-1.txt"]
    assert [text.count(words) for words in ("- Việc a", "- Việc c", "- Matter a", "- Matter c", "Việc b")] == [
        1,
        1,
        1,
        1,
        0,
    ]
    assert text.count("Hãy sửa rồi gửi lại.") == text.count("Mend it and send it again.") == 1


def test_the_file_is_for_its_owner_and_group_and_says_the_same_in_json(quiet: Settings) -> None:
    tell(quiet, "scheduled__2021-11-02T18:00:00+00:00", [an_alert("a")], now=NOW)
    [path] = (quiet.home / "alerts" / "2021-11-03").glob("*.json")
    assert path.name == "province-26-scheduled__2021-11-02T18_00_00_00_00.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["recipient"], content["run_id"]) == ("province-26", "scheduled__2021-11-02T18:00:00+00:00")
    assert content["made_at"] == "2021-11-03T01:20:00+07:00"
    assert [each["key"] for each in content["alerts"]] == ["a"]
    assert path.with_suffix(".txt").read_text(encoding="utf-8") == f"{content['subject']}\n\n{content['text']}"


def test_nothing_is_told_twice_by_the_same_run_or_a_later_one(quiet: Settings) -> None:
    assert tell(quiet, "night-1", [an_alert("a"), an_alert("a")], now=NOW) == 1
    assert tell(quiet, "night-1", [an_alert("a")], now=NOW) == 0
    assert tell(quiet, "night-2", [an_alert("a"), an_alert("b")], now=NOW + dt.timedelta(days=1)) == 1
    assert list(written(quiet)) == ["2021-11-03/province-26-night-1.txt", "2021-11-04/province-26-night-2.txt"]
    assert "Matter a" not in written(quiet)["2021-11-04/province-26-night-2.txt"]


def test_what_the_same_run_finds_later_is_a_second_part_and_overwrites_nothing(quiet: Settings) -> None:
    tell(quiet, "night-1", [an_alert("a")], now=NOW)
    tell(quiet, "night-1", [an_alert("b")], now=NOW)
    assert list(written(quiet)) == ["2021-11-03/province-26-night-1-2.txt", "2021-11-03/province-26-night-1.txt"]
    assert "Matter a" in written(quiet)["2021-11-03/province-26-night-1.txt"]


def test_two_that_tell_the_same_at_once_make_one_message(quiet: Settings) -> None:
    with web_server() as web:
        sending = posting(quiet, web.port)
        told: list[int] = []

        def say(run: str) -> None:
            told.append(tell(sending, run, [an_alert("a"), an_alert("b")], now=NOW))

        several = [threading.Thread(target=say, args=(run,)) for run in ("night-1", "watch-1", "ingest-1")]
        for thread in several:
            thread.start()
        for thread in several:
            thread.join()
        assert sorted(told) == [0, 0, 2]
        assert len(web.posts) == 1


def test_a_recipient_nobody_knows_is_operations_and_names_no_folder(quiet: Settings) -> None:
    tell(quiet, "night-1", [an_alert("a", "../../etc")], now=NOW)
    assert list(written(quiet)) == ["2021-11-03/operations-night-1.txt"]


def test_it_never_raises_not_even_when_what_there_is_to_tell_cannot_be_read(quiet: Settings) -> None:
    def broken() -> Iterator[Alert]:
        yield an_alert("a")
        raise RuntimeError

    assert tell(quiet, "night-1", broken(), now=NOW) == 0


# ---------------------------------------------------------------------------------------------------------------- mail


def test_a_mail_goes_to_the_address_of_its_recipient_once(quiet: Settings, tmp_path: Path) -> None:
    with mail_server() as server:
        sending = mailing(quiet, server.port, tmp_path)
        tell(sending, "night-1", [an_alert("a"), an_alert("b", "operations")], now=NOW)
        tell(sending, "night-1", [an_alert("a")], now=NOW)
    assert server.logins == [f"vss {PASSWORD}"]
    assert [addresses for addresses, _ in server.mails] == [
        ["vinh-phuc@example.vn"],
        ["ops@example.vn", "second@example.vn"],
    ]
    [mail] = server.to("vinh-phuc@example.vn")
    assert mail["From"] == "warehouse@example.vn"
    assert mail["Subject"] == "VSS province-26: Việc a / Matter a"
    assert mail["Date"] == "Wed, 03 Nov 2021 01:20:00 +0700"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "Hãy sửa rồi gửi lại." in mail.get_content()


def test_a_sender_without_an_address_gets_his_file_and_operations_are_told_once(
    quiet: Settings, tmp_path: Path
) -> None:
    with mail_server() as server:
        sending = mailing(quiet, server.port, tmp_path)
        assert tell(sending, "night-1", [an_alert("a", "province-01")], now=NOW) == 1
        tell(sending, "night-2", [an_alert("b", "province-01")], now=NOW)
    assert [mail["Subject"] for mail in server.to("ops@example.vn")] == [
        "VSS operations: Không có địa chỉ thư điện tử của province-01 / There is no e-mail address of province-01"
    ]
    assert len(server.mails) == 1
    assert ("province-01", "mail", "no address", 1, None) in deliveries(quiet)
    assert "2021-11-03/province-01-night-2.txt" in written(quiet)


def test_an_address_that_is_refused_stops_no_other_message(quiet: Settings, tmp_path: Path) -> None:
    with mail_server() as server:
        server.refused = {"vinh-phuc@example.vn", "second@example.vn"}
        sending = mailing(quiet, server.port, tmp_path)
        tell(sending, "night-1", [an_alert("a"), an_alert("b", "tax"), an_alert("c", "operations")], now=NOW)
    assert [addresses for addresses, _ in server.mails] == [["tax@example.vn"], ["ops@example.vn"]]
    assert [row for row in deliveries(quiet) if row[1] == "mail"] == [
        ("province-26", "mail", "waiting", 1, "address refused (550)"),
        ("tax", "mail", "sent", 1, None),
        ("operations", "mail", "sent", 1, "1 of 2 addresses refused"),
    ]


def test_encrypted_mail_goes_only_to_a_server_whose_certificate_is_trusted(
    quiet: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, context = own_certificate(tmp_path)
    with mail_server(tls=context) as server:
        sending = mailing(quiet, server.port, tmp_path, scheme="smtps")
        tell(sending, "night-1", [an_alert("a")], now=NOW)
        assert (server.mails, server.logins) == ([], [])
        assert deliveries(quiet)[1] == ("province-26", "mail", "waiting", 1, "certificate or encryption refused")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        tell(sending, "night-2", [], now=NOW)
    assert len(server.to("vinh-phuc@example.vn")) == 1


def test_a_password_is_not_sent_in_the_clear_to_another_machine(
    quiet: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "_is_this_machine", lambda _: False)
    with mail_server() as server:
        tell(mailing(quiet, server.port, tmp_path), "night-1", [an_alert("a")], now=NOW)
    assert (server.mails, server.logins) == ([], [])
    assert deliveries(quiet)[1][4] == "the server offers no encryption, so no password is sent"


# ------------------------------------------------------------------------------------------------------------- webhook


def test_a_message_is_posted_once_as_json_with_a_key_that_makes_it_one(quiet: Settings) -> None:
    with web_server() as web:
        sending = posting(quiet, web.port)
        tell(sending, "night-1", [an_alert("a")], now=NOW)
        tell(sending, "night-2", [an_alert("a")], now=NOW)
    [(path, headers, content)] = web.posts
    assert path == "/hook/s3cr3t?a=1"
    assert headers["Authorization"].startswith("Basic ")
    assert headers["Idempotency-Key"] == content["id"]
    assert (content["recipient"], content["run_id"]) == ("province-26", "night-1")
    assert "Mend it and send it again." in content["text"]


def test_a_redirection_is_not_followed(quiet: Settings) -> None:
    with web_server() as web:
        web.answers = [302]
        tell(posting(quiet, web.port), "night-1", [an_alert("a")], now=NOW)
        assert web.posts == []
    assert deliveries(quiet)[1] == ("province-26", "webhook", "waiting", 1, "answered 302")


# ------------------------------------------------------------------------------------------------------- dead channels


def test_channels_that_hang_or_refuse_cost_their_time_and_nothing_else(quiet: Settings, tmp_path: Path) -> None:
    with silent_server() as silent:
        sending = posting(mailing(quiet, silent, tmp_path), closed_port())
        begun = time.monotonic()
        assert tell(sending, "night-1", [an_alert("a"), an_alert("b", "operations")], now=NOW, patience=1) == 2
        assert time.monotonic() - begun < 3
    assert {(row[1], row[2], row[4]) for row in deliveries(quiet) if row[0] == "province-26"} == {
        ("file", "sent", None),
        ("mail", "waiting", "time-out"),
        ("webhook", "waiting", "connection refused"),
    }
    # a dead channel is tried with one message, not with all of them
    assert [row[3] for row in deliveries(quiet) if row[0] == "operations"] == [1, 0, 0]


def test_all_channels_together_are_given_less_than_ten_seconds() -> None:
    from night.alerts import PATIENCE

    assert PATIENCE + 0.5 * 2 <= 10


@pytest.mark.parametrize("answer", [500, 404])
def test_what_a_server_refused_is_tried_by_the_next_call_and_then_told_once(quiet: Settings, answer: int) -> None:
    with web_server() as web:
        sending = posting(quiet, web.port)
        web.answers = [answer, answer]
        tell(sending, "night-1", [an_alert("a")], now=NOW)
        tell(sending, "watch-1", [], now=NOW)
        assert web.posts == []
        assert deliveries(quiet)[1] == ("province-26", "webhook", "waiting", 2, f"answered {answer}")
        tell(sending, "watch-2", [], now=NOW)
        tell(sending, "watch-3", [], now=NOW)
        assert [content["run_id"] for _, _, content in web.posts] == ["night-1"]


def test_a_mail_server_that_was_down_gets_every_message_once_when_it_is_back(quiet: Settings, tmp_path: Path) -> None:
    port = closed_port()
    sending = mailing(quiet, port, tmp_path)
    tell(sending, "night-1", [an_alert("a")], now=NOW)
    tell(sending, "night-2", [an_alert("b")], now=NOW)
    with mail_server(port=port) as server:
        tell(sending, "watch-1", [], now=NOW)
        tell(sending, "watch-2", [], now=NOW)
    assert [mail["Subject"] for mail in server.to("vinh-phuc@example.vn")] == [
        "VSS province-26: Việc a / Matter a",
        "VSS province-26: Việc b / Matter b",
    ]


def test_a_week_after_its_first_attempt_a_message_is_tried_no_more(quiet: Settings) -> None:
    with web_server() as web:
        sending = posting(quiet, web.port)
        web.answers = [500]
        tell(sending, "night-1", [an_alert("a")], now=NOW)
        with connect(quiet, roles.MIGRATOR) as connection:
            connection.execute(
                "update ops.alert_delivery set first_tried_at = first_tried_at - interval '7 days 1 minute'"
            )
        tell(sending, "night-2", [an_alert("b")], now=NOW)
    assert [content["run_id"] for _, _, content in web.posts] == ["night-2"]


def test_one_message_that_cannot_be_written_stops_no_other(quiet: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Letter.as_json

    def broken(letter: Letter) -> dict[str, object]:
        if letter.run_id == "night-1":
            raise RuntimeError
        return whole(letter)

    with web_server() as web:
        monkeypatch.setattr(Letter, "as_json", broken)
        sending = posting(quiet, web.port)
        tell(sending, "night-1", [an_alert("a")], now=NOW)
        tell(sending, "night-2", [an_alert("b")], now=NOW)
        assert [content["run_id"] for _, _, content in web.posts] == ["night-2"]


def test_a_contacts_file_that_cannot_be_read_is_noted_and_operations_are_reached(
    quiet: Settings, tmp_path: Path
) -> None:
    with mail_server() as server:
        sending = mailing(quiet, server.port, tmp_path).model_copy(update={"alert_contacts": tmp_path / "none.csv"})
        tell(sending, "night-1", [an_alert("a"), an_alert("b", "operations")], now=NOW)
    assert [addresses for addresses, _ in server.mails] == [["ops@example.vn", "second@example.vn"]]
    assert deliveries(quiet)[1][4] == "the file of VSS_ALERT_CONTACTS cannot be read"


def test_no_secret_and_no_address_reaches_the_ledger_a_log_or_a_file(
    quiet: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with web_server() as web, mail_server() as server:
        server.refused = {"vinh-phuc@example.vn"}
        web.answers = [500]
        sending = posting(mailing(quiet, server.port, tmp_path), web.port)
        tell(sending, "night-1", [an_alert("a")], now=NOW)
    with connect(quiet, roles.LOADER) as connection:
        kept = [
            str(connection.execute(f"select * from ops.{table}".encode()).fetchall())
            for table in ("alert", "alert_message", "alert_delivery")
        ]
    said = [caplog.text, *kept, *written(quiet).values(), repr(sending)]
    assert caplog.text.count("address refused (550)") == 1
    assert [text for text in said if PASSWORD in text or "s3cr3t" in text] == []
    assert [text for text in said[:-1] if "vinh-phuc@example.vn" in text] == []


def test_without_the_database_a_file_tells_it_once_and_each_channel_is_tried(tmp_path: Path) -> None:
    lost = Settings(home=tmp_path, database_url=f"postgresql://u:p@127.0.0.1:{closed_port()}/vss", lineage=False)
    with web_server() as web:
        sending = posting(lost, web.port)
        assert tell(sending, "watch-1", [an_alert("a", "operations")], now=NOW) == 1
        assert tell(sending, "watch-2", [an_alert("a", "operations")], now=NOW) == 0
        assert [content["run_id"] for _, _, content in web.posts] == ["watch-1"]
    assert list(written(lost)) == ["2021-11-03/operations-watch-1.txt"]


def test_what_was_told_without_the_database_is_not_told_again_with_it(quiet: Settings) -> None:
    lost = Settings(home=quiet.home, database_url=f"postgresql://u:p@127.0.0.1:{closed_port()}/vss", lineage=False)
    tell(lost, "watch-1", [an_alert("a", "operations")], now=NOW)
    assert tell(quiet, "night-1", [an_alert("a", "operations"), an_alert("b", "operations")], now=NOW) == 1
    assert "Matter a" not in written(quiet)["2021-11-03/operations-night-1.txt"]


@pytest.mark.parametrize("days", [1, 7])
def test_what_was_told_without_the_database_is_remembered_as_long_as_a_run_looks_back(
    quiet: Settings, days: int
) -> None:
    lost = Settings(home=quiet.home, database_url=f"postgresql://u:p@127.0.0.1:{closed_port()}/vss", lineage=False)
    tell(lost, "watch-1", [an_alert("a", "operations")], now=NOW)
    assert tell(quiet, "night-1", [an_alert("a", "operations")], now=NOW + dt.timedelta(days=days)) == 0


# -------------------------------------------------------------------------------------------------- what a run leaves


def rejected(inbox: Inbox, name: str, **how: Any) -> None:
    """A submission that is refused for a wrong digest; its rows name a person."""
    folder = inbox.send(
        {"participants": participants(2, full_name="Bùi Thị Canary")},
        submission_id=name,
        declared={"participants": {"sha256": "0" * 64}},
        **how,
    )
    assert inbox.load(folder).state == "rejected"


def held(inbox: Inbox, name: str) -> None:
    loaded = inbox.load(inbox.send({"participants": participants(2)}, submission_id=name, sender="province-01"))
    assert settle(inbox.settings, loaded.sub_no, "held", ()) == "held"


def test_a_sender_is_told_of_all_his_refused_submissions_in_one_message_with_their_codes(
    inbox: Inbox, quiet: Settings
) -> None:
    with stage(quiet, "ingest-1", "load and gate", "p26-a"):
        rejected(inbox, "p26-a")
        rejected(inbox, "p26-b", period="2021-09", as_of_date=dt.date(2021, 9, 30))
    tell_run(quiet, "ingest-1", now=NOW)
    [(name, text)] = written(quiet).items()
    assert name == "2021-11-03/province-26-ingest-1.txt"
    assert "Submission p26-a for 2021-10 was rejected (E-DIGEST)" in text
    assert "Lần gửi p26-b kỳ 2021-09 bị từ chối (E-DIGEST)" in text
    assert "vss receipt" in text and "Canary" not in text
    assert tell_run(quiet, "ingest-2", now=NOW) == 0


def test_a_held_submission_is_told_to_its_sender_and_to_those_who_decide_and_so_is_the_decision(
    inbox: Inbox, quiet: Settings
) -> None:
    held(inbox, "p01-a")
    assert tell_run(quiet, "night-1", now=NOW) == 2
    texts = written(quiet)
    assert "Submission p01-a for 2021-10 waits for a person's decision" in texts["2021-11-03/province-01-night-1.txt"]
    assert "Decide on submission p01-a of province-01" in texts["2021-11-03/operations-night-1.txt"]
    assert "`vss release`" in texts["2021-11-03/operations-night-1.txt"]
    assert "`vss release`" not in texts["2021-11-03/province-01-night-1.txt"]
    decide_held(quiet, "p01-a", release=False, reason="wrong unit")
    assert tell_run(quiet, "night-2", now=NOW) == 1
    assert "p01-a for 2021-10 was rejected" in written(quiet)["2021-11-03/province-01-night-2.txt"]


def test_a_folder_that_is_not_proven_to_be_its_senders_is_told_to_operations_alone(
    inbox: Inbox, quiet: Settings
) -> None:
    demanding = quiet.model_copy(update={"require_signatures": True})
    unsigned = Inbox(demanding, inbox.root)
    assert unsigned.load(unsigned.send({"participants": participants(1)}, submission_id="p26-x")).state == "rejected"
    tell_run(quiet, "night-1", now=NOW)
    [(name, text)] = written(quiet).items()
    assert name == "2021-11-03/operations-night-1.txt"
    assert "Folder province-26/p26-x is not proven to come from its sender (E-SIG-MISSING)" in text


def test_a_gate_that_fails_is_told_with_what_it_names_once_a_week_until_something_is_published(
    inbox: Inbox, quiet: Settings
) -> None:
    message = "not_null of fct_arrears: 3 rows. 1 new submission (p26-2021-10-v2 of province-26)."
    for run in ("night-1", "night-2"):
        write(quiet, run, "discover", None, 0.1, Stage())
        with pytest.raises(GateFailedError), stage(quiet, run, "build") as mark:
            mark.outcome, mark.message = "failed", message
            raise GateFailedError(message)
    assert tell_run(quiet, "night-1", now=NOW) == 1
    assert message in written(quiet)["2021-11-03/operations-night-1.txt"]
    assert tell_run(quiet, "night-2", now=NOW) == 0
    with connect(quiet, roles.MIGRATOR) as connection:
        connection.execute(
            "update ops.run_stage set started_at = started_at + interval '7 days' where run_id = 'night-2'"
        )
    assert tell_run(quiet, "night-2", now=NOW) == 1


def test_of_a_stage_that_was_taken_again_the_last_outcome_counts(inbox: Inbox, quiet: Settings) -> None:
    write(quiet, "night-1", "build", None, 9, Stage(outcome="error", message="OperationalError"))
    assert [alert.subject_en for alert in of_run(quiet, "night-1")] == ["Stage build broke: OperationalError"]
    write(quiet, "night-1", "build", None, 1, Stage())
    assert of_run(quiet, "night-1") == []


@pytest.mark.parametrize(
    ("stages", "missing"),
    [
        ({"discover": "done"}, "build"),
        ({"discover": "done", "build": "done"}, "audit"),
        ({"discover": "done", "build": "failed"}, None),
        ({"discover": "error"}, None),
        ({"discover": "done", "build": "nothing to do", "audit": "nothing to do", "publish": "nothing to do"}, None),
        ({"build": "done"}, None),
    ],
)
def test_a_night_of_which_a_step_was_never_written_down_was_cut_short(
    inbox: Inbox, quiet: Settings, stages: dict[str, str], missing: str | None
) -> None:
    for seconds, (name, outcome) in enumerate(stages.items()):
        write(quiet, "night-1", name, None, 9 - seconds, Stage(outcome=outcome))
    cut = [alert.subject_en for alert in of_run(quiet, "night-1") if alert.key.startswith("cut-short")]
    assert cut == ([] if missing is None else [f"Run night-1 was cut short: there is no stage {missing}"])


def test_a_load_goes_on_while_a_channel_hangs(inbox: Inbox, quiet: Settings, tmp_path: Path) -> None:
    rejected(inbox, "p26-a")
    with silent_server() as silent:
        sending = mailing(quiet, silent, tmp_path)
        assert tell_run(sending, "night-1", now=NOW, patience=0.5) == 1
        assert inbox.accept(inbox.send({"participants": participants(1)}, sender="province-01")) == "accepted"


# --------------------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize("kind", sorted(PHRASES))
def test_every_kind_says_the_same_in_both_languages_and_what_to_do(kind: str) -> None:
    phrase = PHRASES[kind]
    assert all(text.strip() for text in phrase)

    def named(*texts: str) -> set[str]:
        return {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}

    assert named(phrase.subject_vi, phrase.body_vi) == named(phrase.subject_en, phrase.body_en)
    assert re.search(r"[à-ỹÀ-Ỹđ]", phrase.subject_vi + phrase.body_vi)
    assert (phrase.subject_en + phrase.body_en).isascii()


# ------------------------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"alert_smtp_url": "mail.example.vn:25"}, "VSS_ALERT_SMTP_URL must look like"),
        ({"alert_smtp_url": "smtp://mail.example.vn:25"}, "needs VSS_ALERT_FROM and VSS_ALERT_TO"),
        ({"alert_to": "ops@example.vn\nBcc: all@example.vn"}, "VSS_ALERT_TO must hold e-mail addresses"),
        ({"alert_webhook": "file:///etc/passwd"}, "VSS_ALERT_WEBHOOK must look like"),
    ],
)
def test_a_channel_that_is_set_wrong_is_refused_by_name(tmp_path: Path, given: dict[str, str], named: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(named)) as refused:
        Settings(home=tmp_path, **given)  # type: ignore[arg-type]
    assert "s3cr3t" not in str(refused.value)
