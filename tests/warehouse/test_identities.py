"""Who a pseudonym is, and erasure: for a case, on record before anything is seen; what is left shows the same rows."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import psycopg
import pytest
from builders import Inbox, describe, employers, participants

from cli import identifying
from ingestion import manifest
from ingestion.contracts import load_contracts
from ingestion.manifest import Manifest
from ingestion.receipts import write_outbox
from warehouse import identities, roles
from warehouse.connection import connect
from warehouse.identities import RefusedError, Wish
from warehouse.settings import Settings

CASE = "152/2026/HS-TTKT"
HOA = {
    "si_number": "0271000001", "personal_id": "001185000777", "full_name": "Nguyễn Thị Thanh Hoa",
    "birth_date": "1985-03-02",
}  # fmt: skip
VIEWS = ("participant_pseudonym", "employer_pseudonym", "contribution_pseudonym", "tax_employer_pseudonym")


@pytest.fixture(autouse=True)
def empty_record(configured: Settings) -> Iterator[None]:
    """Nobody has asked for anybody."""
    as_vault(configured, "delete from vault.access_log", "delete from vault.erased")
    yield
    as_vault(configured, "delete from vault.access_log", "delete from vault.erased")


def as_vault(settings: Settings, *statements: str) -> None:
    """What no login may do: as the owner of the record."""
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute("set local role vss_vault")
        for statement in statements:
            connection.execute(statement.encode())


def wish(**changes: Any) -> Wish:
    """A wish that nothing is wrong with, for Hoa by her number."""
    key = changes.get("key")
    number = None if key else HOA["si_number"]
    return Wish(**{"case_no": CASE, "reason": "Complaint", "asked_by": "An", "number": number, **changes})


def key_of(inbox: Inbox, number: str = HOA["si_number"]) -> UUID:
    """The key under which the models know a person."""
    load_id, row_no = inbox.query(f"select load_id, row_no from raw.participants where si_number = '{number}'")[0]
    (found,) = inbox.query(
        f"select participant_key from raw.participant_pseudonym where load_id = {load_id} and row_no = {row_no}",
        roles.TRANSFORMER,
    )
    key: UUID = found[0]
    return key


def people(**changes: str) -> list[dict[str, str]]:
    """Hoa, then two others."""
    rows = [dict(row) for row in participants(3)]
    rows[0] |= HOA | changes
    return rows


def send(inbox: Inbox, **options: Any) -> Path:
    """A list of participants with Hoa in it, accepted."""
    folder = inbox.send({"participants": people()}, **options)
    inbox.accept(folder)
    return folder


def record(settings: Settings) -> list[tuple[str, str]]:
    """What was asked and what became of it, in order."""
    return [(each.action, each.outcome) for each in reversed(identities.record(settings, limit=1000))]


def shown(settings: Settings) -> list[object]:
    """All that dbt sees of persons."""
    with connect(settings, roles.TRANSFORMER) as connection:
        return [
            sorted(str(row) for row in connection.execute(f"select * from raw.{view}".encode()).fetchall())
            for view in VIEWS
        ]


def anywhere_in_raw(inbox: Inbox, *wanted: str) -> list[str]:
    """The feeds with a row that has one of these texts."""
    return [
        feed
        for feed in load_contracts()
        for text in wanted
        if inbox.query(f"select from raw.{feed} r where r::text like '%{text}%' limit 1")
    ]


# ------------------------------------------------------------------------------------------------------------ identify


def test_a_person_is_named_for_a_case_by_the_latest_list_and_the_record_says_for_which(inbox: Inbox) -> None:
    send(inbox)
    inbox.accept(inbox.send({"participants": people(full_name="Nguyễn Thị Hoa (mới)")}, period="2021-11"))
    key = key_of(inbox)

    found = identities.identify(inbox.settings, wish(key=key))

    assert found is not None
    assert (found.number, found.full_name, str(found.month)) == (
        HOA["si_number"], "Nguyễn Thị Hoa (mới)", "2021-11-01",
    )  # fmt: skip
    asked, seen = reversed(identities.record(inbox.settings, limit=10))
    assert (asked.outcome, seen.outcome, seen.row_count) == ("granted", "shown", 1)
    for row in (asked, seen):
        assert (row.person_key, row.case_no, row.reason) == (key, CASE, "Complaint")
        assert (row.asked_by, row.role_name) == ("An", roles.OFFICER)


def test_a_number_leads_to_the_key_and_is_kept_nowhere(inbox: Inbox) -> None:
    send(inbox)

    found = identities.identify(inbox.settings, wish())

    assert found is not None
    assert found.key == key_of(inbox)
    said = [str(row) for row in identities.record(inbox.settings, limit=10)]
    assert said
    assert not any(HOA["si_number"] in row or HOA["personal_id"] in row for row in said)


def test_a_household_business_is_found_by_the_token_that_stands_for_its_tax_code(inbox: Inbox) -> None:
    unit = {**employers(1)[0], "name": "Hộ kinh doanh Thanh Hoa", "tax_code": "001185000777", "unit_type": "household"}
    inbox.accept(inbox.send({"employers": [unit]}))
    (token,) = inbox.query("select tax_code from raw.employer_pseudonym", roles.TRANSFORMER)[0]

    found = identities.identify(inbox.settings, wish(key=identities.key_of(token)))

    assert found is not None
    assert (found.feed, found.number, found.full_name) == ("employers", "001185000777", "Hộ kinh doanh Thanh Hoa")


def test_a_key_nobody_has_is_answered_with_nothing_and_stands_on_record(inbox: Inbox) -> None:
    assert identities.identify(inbox.settings, wish(key=UUID(int=7))) is None
    assert record(inbox.settings) == [("identify", "granted"), ("identify", "shown")]


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"case_no": ""}, "no case"),
        ({"case_no": "because"}, "no case"),
        ({"case_no": "152/2026"}, "no case"),
        ({"case_no": "152/2026/HS; 153/2026/HS"}, "no case"),
        ({"case_no": "152/1999/HS"}, "no case"),
        ({"reason": "  "}, "no reason"),
        ({"asked_by": ""}, "no name"),
        ({"number": " "}, "no person"),
    ],
)
@pytest.mark.parametrize("action", ["identify", "erase"])
def test_a_refusal_stays_on_record_and_nothing_is_shown_or_changed(
    inbox: Inbox, action: str, changes: dict[str, str], outcome: str
) -> None:
    send(inbox)

    with pytest.raises(RefusedError):
        getattr(identities, action)(inbox.settings, wish(**changes))

    assert record(inbox.settings) == [(action, outcome)]
    assert anywhere_in_raw(inbox, HOA["full_name"]) == ["participants"]


def test_more_than_a_hundred_persons_a_day_are_refused_and_other_days_do_not_count(inbox: Inbox) -> None:
    send(inbox)
    granted = (
        "insert into vault.access_log (role_name, person_key, case_no, accessed_at)"
        " select 'vss_officer', gen_random_uuid(), '1/2026/HS', now() - interval '{}' from generate_series(1, {})"
    )
    as_vault(inbox.settings, granted.format("25 hours", 500), granted.format("23 hours", 99))

    assert identities.identify(inbox.settings, wish()) is not None
    with pytest.raises(RefusedError, match="within a day"):
        identities.identify(inbox.settings, wish())


@pytest.mark.parametrize("action", ["identify", "erase"])
def test_what_is_not_on_record_for_good_is_not_carried_out(inbox: Inbox, action: str) -> None:
    send(inbox)
    key = key_of(inbox)
    carry_out = f"select * from vault.{action}(%s, %s)"
    ask = "select * from vault.ask(%s, %s, null, %s, 'r', 'n')"
    with connect(inbox.settings, roles.OFFICER, autocommit=True) as connection:
        # asked for and carried out in one transaction, which could then be rolled back, record and all
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(ask, [action, key, CASE])
            connection.execute(carry_out, [key, CASE])
        # in a savepoint of it neither
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            with connection.transaction():
                connection.execute(ask, [action, key, CASE])
            connection.execute(carry_out, [key, CASE])
        # never, another case, another person, the other action, too long ago, somebody else
        connection.execute(ask, [action, key, "1/2026/HS"])
        connection.execute(ask, [action, UUID(int=7), CASE])
        connection.execute(ask, ["erase" if action == "identify" else "identify", key, CASE])
        connection.execute(ask, [action, key, "2/2026/HS"])
        connection.execute(ask, [action, key, "3/2026/HS"])
        as_vault(
            inbox.settings,
            "update vault.access_log set accessed_at = now() - interval '16 minutes' where case_no = '2/2026/HS'",
            "update vault.access_log set role_name = 'somebody' where case_no = '3/2026/HS'",
        )
        for case in (CASE, "2/2026/HS", "3/2026/HS"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(carry_out, [key, case])
    assert anywhere_in_raw(inbox, HOA["full_name"]) == ["participants"]


# --------------------------------------------------------------------------------------------------------------- erase


def everything_of_hoa(inbox: Inbox) -> None:
    """Hoa in three months, in two versions of one, as a payer, and as the owner of a business on both lists."""
    payer = {
        "payer_kind": "person", "payer_code": HOA["si_number"], "fund": "VOLUNTARY", "liability_month": "2021-10",
        "due_vnd": "200000", "paid_vnd": "200000",
    }  # fmt: skip
    business = {"name": "Hộ kinh doanh Thanh Hoa", "tax_code": HOA["personal_id"], "address": "Ngõ 5"}
    unit = {**employers(1)[0], **business, "unit_type": "household"}
    listed = {
        "tax_year": "2021", "supplement_no": "0", "status": "operating", "employees_paid": "3", **business,
    }  # fmt: skip
    inbox.accept(inbox.send({"participants": people(), "contributions": [payer], "employers": [unit]}))
    inbox.accept(inbox.send({"participants": people()}, version=2, action="correct"))
    inbox.accept(inbox.send({"participants": people()}, period="2021-11"))
    inbox.accept(inbox.send({"participants": people()}, sender="province-46", period="2021-12"))
    inbox.accept(inbox.send({"tax_employers": [listed]}, sender="tax", period="2022-03"))


def test_an_erased_person_stands_in_no_row_of_raw_and_every_pseudonymous_row_is_as_it_was(inbox: Inbox) -> None:
    everything_of_hoa(inbox)
    before, key = shown(inbox.settings), key_of(inbox)
    texts = (HOA["si_number"], HOA["personal_id"], HOA["full_name"], HOA["birth_date"], "Thanh Hoa", "Ngõ 5")
    assert set(anywhere_in_raw(inbox, *texts)) == {"participants", "contributions", "employers", "tax_employers"}
    others = "select * from raw.participants where si_number not like 'P-%' and si_number <> '0271000001' order by 1, 2"
    untouched = inbox.query(others)

    done = identities.erase(inbox.settings, wish())

    assert done.rows == {"participants": 4, "contributions": 1, "employers": 1, "tax_employers": 1}
    # the birth date of another may be the same day
    assert anywhere_in_raw(inbox, *(text for text in texts if text != HOA["birth_date"])) == []
    assert inbox.query("select distinct birth_date from raw.participants where si_number like 'P-%'") == [("1985",)]
    assert shown(inbox.settings) == before
    assert inbox.query(others) == untouched
    assert {row[0] for row in done.files} == {
        "province-26-2021-10-v1", "province-26-2021-10-v2", "province-26-2021-11-v1", "province-46-2021-12-v1",
        "tax-2022-03-v1",
    }  # fmt: skip
    # whoever asks again is told when, and no more
    found = identities.identify(inbox.settings, wish(key=key))
    assert found is not None
    assert found.erased_at is not None
    assert (found.number, found.full_name, found.birth_date) == (None, None, None)
    assert record(inbox.settings) == [
        ("erase", "granted"), ("erase", "erased"), ("identify", "granted"), ("identify", "shown"),
    ]  # fmt: skip


def test_a_unit_with_the_persons_digits_for_a_tax_code_is_another_and_stays(inbox: Inbox) -> None:
    # a social insurance number and the tax code of a firm both have ten digits
    firm = {**employers(1)[0], "name": "Hộ kinh doanh An Phú", "unit_type": "household", "tax_code": "0100047516"}
    inbox.accept(inbox.send({"participants": people(si_number="0100047516"), "employers": [firm]}))

    done = identities.erase(inbox.settings, wish(number="0100047516"))

    assert done.rows == {"participants": 1}
    assert inbox.query("select name from raw.employers") == [("Hộ kinh doanh An Phú",)]


def test_who_comes_back_with_an_old_file_is_erased_again_and_nobody_else(inbox: Inbox) -> None:
    send(inbox)
    identities.erase(inbox.settings, wish())
    inbox.accept(inbox.send({"participants": people()}, version=2, action="correct"))
    assert anywhere_in_raw(inbox, HOA["full_name"]) == ["participants"]
    before = shown(inbox.settings)

    again = identities.repeat_erasures(inbox.settings, asked_by="An")

    assert again.rows == {"participants": 1}
    assert anywhere_in_raw(inbox, HOA["full_name"], HOA["si_number"]) == []
    assert inbox.query("select count(*) from raw.participants where full_name is not null") == [(4,)]
    assert shown(inbox.settings) == before
    assert identities.repeat_erasures(inbox.settings, asked_by="An").rows == {}
    assert record(inbox.settings)[2:] == [("repeat", "erased"), ("repeat", "erased")]


# -------------------------------------------------------------------------------------------------------- rectification


def test_a_wrong_number_is_put_right_by_a_correction_of_the_submission(inbox: Inbox) -> None:
    inbox.accept(inbox.send({"participants": people(si_number="0271999999")}))
    inbox.accept(inbox.send({"participants": people()}, version=2, action="correct"))

    read_by_a_build = inbox.query(
        "select r.si_number from ops.accepted_load l join raw.participants r using (load_id)"
        " where l.feed = 'participants' order by 1"
    )

    assert HOA["si_number"] in [row[0] for row in read_by_a_build]
    assert "0271999999" not in [row[0] for row in read_by_a_build]
    # the version before it stays in raw as evidence, until it is erased
    assert anywhere_in_raw(inbox, "0271999999") == ["participants"]
    assert identities.erase(inbox.settings, wish(number="0271999999")).rows == {"participants": 1}
    assert anywhere_in_raw(inbox, HOA["si_number"]) == ["participants"]


# ---------------------------------------------------------------------------------------------------------------- verbs


@pytest.fixture
def verbs(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    """The verbs, over the inbox's warehouse."""
    monkeypatch.setattr(identifying, "_ready", lambda: inbox.settings)
    return inbox


def test_the_verb_reads_a_number_from_standard_input_and_prints_the_person(
    verbs: Inbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    send(verbs)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{HOA['si_number']}\n"))

    identifying.identify("-", case=CASE, reason="Complaint", by="An", log=False, limit=50, as_json=True)
    found = json.loads(capsys.readouterr().out)
    identifying.identify(None, log=True, limit=1, as_json=False)

    assert (found["full_name"], found["key"]) == (HOA["full_name"], str(key_of(verbs)))
    assert "shown" in (said := capsys.readouterr().out)
    assert CASE in said


def test_what_names_an_erased_person_is_taken_out_of_the_outbox_and_does_not_come_back(
    verbs: Inbox, capsys: pytest.CaptureFixture[str]
) -> None:
    # Hoa's row is faulty, so that raw never had it: the workbook for her province alone shows it
    folder = send_workbook(verbs, people(birth_date="1985-02-31"))
    verbs.load(folder)
    assert anywhere_in_raw(verbs, HOA["full_name"]) == []
    out = write_outbox(verbs.settings, folder.name)
    workbook = out / "participants-annotated.xlsx"
    assert workbook.exists()
    assert HOA["si_number"] not in (out / "receipt.json").read_text() + (out / "rejects.csv").read_text()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO(HOA["si_number"]))
        identifying.erase("-", case=CASE, reason="Asked for", by="An", again=False)

    assert "province-26/province-26-2021-10-v1: the workbook of participants was taken out" in capsys.readouterr().out
    assert not workbook.exists()
    write_outbox(verbs.settings, folder.name)
    assert not workbook.exists()
    assert json.loads((out / "receipt.json").read_text())["annotated"] == []


def send_workbook(inbox: Inbox, rows: list[dict[str, str]]) -> Path:
    """A submission of participants as a workbook."""
    folder = inbox.send({"participants": rows})
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append([row.get(name) for name in rows[0]])
    (folder / "participants.csv").unlink()
    book.save(folder / "participants.xlsx")
    sent = manifest.parse((folder / "manifest.json").read_bytes())
    file = describe(folder / "participants.xlsx", "participants", [], format="xlsx", rows=len(rows), totals={})
    manifest.write(folder, Manifest(**{**sent.model_dump(), "files": (file,)}))
    return folder
