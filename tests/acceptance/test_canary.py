"""A canary person and a canary secret through a whole night in Airflow: found nowhere they should not be.

The persons were planted before the demo's night: one that was accepted, one whose row was set aside, one of a
submission that was refused, and the owner of a household business. The secrets are those the night ran with.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import canary
import psycopg
import pytest
from demo_warehouse import Demo
from proofs import proves

from warehouse.settings import Settings

MODELS = ("marts", "staging", "reference")
PLACES = [
    "airflow/logs/leak.log", "airflow/last_run.log", "dbt/target/compiled/leak.sql", "dbt/target/run_results.json",
    "data_docs/leak.html", "report/leak.html", "lineage/leak.ndjson", "outbox/province-26/leak/receipt.json",
    "outbox/province-01/p01-2021-10-v1/rejects.csv", "postgres/postgres.log", "leak.txt",
]  # fmt: skip


@pytest.fixture(scope="module")
def settings(demo: Demo) -> Settings:
    """The demo's warehouse after its night."""
    return Settings(home=demo.home)


def test_the_canaries_went_through_the_night(demo: Demo) -> None:
    rows = demo.rows(
        "select r.si_number, r.personal_id, r.full_name from raw.participants r where r.full_name like 'Zwyxkanari%'",
        role="vss_loader", pin=None,
    )  # fmt: skip
    assert {tuple(row.values()) for row in rows} == {canary.ACCEPTED}
    assert _receipt(demo, canary.REJECTED_SENDER)["state"] == "rejected"
    set_aside = [row["row"] for row in _receipt(demo, canary.SENDER)["rejects"] if row["code"] == "E-CODE"]
    assert set_aside == [8245]
    shown = demo.rows(
        "select name, address from bi.dim_employer where current_province_code = '01' and address is null"
    )
    assert any((row["name"] or "").startswith("Hộ kinh doanh ") for row in shown)


@proves("access.canary")
def test_no_person_stands_in_a_file_that_is_not_there_for_persons(settings: Settings) -> None:
    assert list(canary.leaks_in_files(settings, canary.TEXTS, is_secret=False)) == []


@proves("access.canary")
def test_no_secret_stands_in_a_file_that_is_not_there_for_secrets(settings: Settings) -> None:
    words = canary.secrets(settings)
    assert {"vss_loader", "vss_migrator", "vss_airflow", "airflow_jwt", "row_token_key", "postgres"} <= set(words)
    assert list(canary.leaks_in_files(settings, list(words.values()), is_secret=True)) == []


@proves("access.canary")
def test_neither_stands_in_a_table_of_the_warehouse_or_of_airflow_but_raw_and_vault(settings: Settings) -> None:
    words = list(canary.secrets(settings).values())
    looked_through = 0
    for connection, spared in canary.databases(settings):
        assert list(canary.leaks_in_tables(connection, canary.TEXTS, spared=spared)) == []
        # models are made of rows that were sent, the ledger and Airflow's tables of what the programs knew
        assert list(canary.leaks_in_tables(connection, words, spared=(*spared, *MODELS))) == []
        looked_through += 1
    assert looked_through == 2


def test_the_search_finds_what_is_planted_in_a_file_wherever_it_lies(settings: Settings) -> None:
    secret = canary.secrets(settings)["vss_loader"]
    before = {place: (settings.home / place).read_bytes() for place in PLACES if (settings.home / place).exists()}
    assert "airflow/last_run.log" in before
    try:
        for place in PLACES:
            (settings.home / place).parent.mkdir(parents=True, exist_ok=True)
            with (settings.home / place).open("ab") as stream:
                stream.write(f"\n… {canary.TEXTS[-1].upper()} … {secret}".encode())
        persons = {leak.place for leak in canary.leaks_in_files(settings, canary.TEXTS, is_secret=False)}
        secrets = {leak.place for leak in canary.leaks_in_files(settings, [secret], is_secret=True)}
    finally:
        for place in PLACES:
            _put_back(settings.home / place, before.get(place))
    assert persons == set(PLACES)
    assert secrets == set(PLACES)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into ops.run_stage (run_id, stage, message) values ('leak', 'leak', %s)",
        "insert into ops.security_event (code, sender, submission_id, details)"
        " values ('x', 'hq', 'x', to_jsonb(%s::text))",
        "insert into ops.gate_result (gate, suite, expectation, success, severity, details)"
        " values ('submission', 'x', 'x', true, 'x', jsonb_build_object('values', %s::text))",
    ],
)
def test_the_search_finds_what_is_planted_in_the_ledger(settings: Settings, statement: str) -> None:
    for connection, spared in canary.databases(settings):
        if spared:
            connection.execute(statement.encode(), [f"name: {canary.TEXTS[-1]}"])
            found = list(canary.leaks_in_tables(connection, canary.TEXTS, spared=(*spared, *MODELS)))
            connection.rollback()
            assert [leak.place for leak in found] == [statement.split()[2]]


def test_the_search_finds_what_is_planted_in_airflow(settings: Settings) -> None:
    for connection, spared in canary.databases(settings):
        if not spared:
            _xcom(connection, f'{{"rows": ["{canary.ACCEPTED[0]}"]}}')
            found = list(canary.leaks_in_tables(connection, canary.TEXTS))
            connection.rollback()
            assert [leak.place for leak in found] == ["public.xcom"]


def _xcom(connection: psycopg.Connection[tuple[object, ...]], value: str) -> None:
    """What a task of the night might hand on."""
    done = connection.execute("update xcom set value = %s::jsonb", [value])
    assert done.rowcount > 0


def _receipt(demo: Demo, sender: str) -> dict[str, Any]:
    """The receipt in the outbox of a sender with a canary."""
    (path,) = (demo.home / "outbox" / sender).glob("p??-2021-10-v1/receipt.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _put_back(path: Path, before: bytes | None) -> None:
    if before is None:
        path.unlink()
    else:
        path.write_bytes(before)
