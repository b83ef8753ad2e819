"""`query`: what an analyst's questions cost through `bi`, beside the same rows in bare tables."""

from __future__ import annotations

import re
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

from psycopg import sql
from psycopg.types.string import TextLoader

from benchmarks.results import Result, Target, Way
from benchmarks.workplace import WrongResultError, temporary_warehouse
from ingestion.decision import settle
from ingestion.inbox import read_folder
from ingestion.load import load_submission
from night import dbt_runs, publishing
from synth.demo import write_demo
from warehouse import bi, roles
from warehouse.connection import Connection, admin_url, connect, open_connection
from warehouse.settings import PROJECT, Settings

DEFAULT_REPEAT = 6
GUIDE = PROJECT / "docs" / "bi-guide.md"
BARE, OPEN = "bare", "open"
"""Schemas: plain tables with what `bi` shows; and `bi`'s views of an owner whom no policy keeps from any row."""
SCHEMAS = (BARE, OPEN, "bi")
_OF_BARE, _OF_OPEN = 1.2, 1.1


def run(folder: Path, *, repeat: int) -> Result:
    """Load, build and publish the demo, then ask every question of the guide in the three schemas in turn."""
    with temporary_warehouse(folder) as settings:
        print("building the demo", file=sys.stderr, flush=True)
        _publish_demo(settings)
        return measure(settings, repeat=repeat)


def measure(settings: Settings, *, repeat: int) -> Result:
    """Ask the questions in a published warehouse, which gets the schemas `bare` and `open`.

    Every answer is compared with that of the bare tables; a difference raises WrongResultError.
    """
    _bare_and_open(settings)
    asked = queries(GUIDE.read_text(encoding="utf-8"))
    seconds: dict[str, dict[str, list[float]]] = {schema: {} for schema in SCHEMAS}
    with connect(settings, roles.READER, autocommit=True) as reader:
        # Python has no date 'infinity'
        reader.adapters.register_loader("date", TextLoader)
        for number in range(repeat + 1):
            for name, text in asked.items():
                answers = {}
                # each comes first, second and third in turn: who comes after another finds more in the caches
                for schema in (*SCHEMAS[number % 3 :], *SCHEMAS[: number % 3]):
                    spent, answers[schema] = _ask(reader, schema, text)
                    # the first round fills the caches
                    if number:
                        seconds[schema].setdefault(name, []).append(spent)
                if not answers[BARE] == answers[OPEN] == answers["bi"]:
                    raise WrongResultError(f"The answers to {name} differ.")
    return _result(seconds, repeat)


def queries(guide: str) -> dict[str, str]:
    """Every query of the guide, named by its question and its place in it: '9.2'."""
    found = {}
    for number, body in re.findall(r"^### (\d+)\. (.*?)(?=^##|\Z)", guide, re.MULTILINE | re.DOTALL):
        for place, text in enumerate(re.findall(r"^```sql\n(.*?)^```", body, re.MULTILINE | re.DOTALL), 1):
            found[f"{number}.{place}"] = text
    return found


def _publish_demo(settings: Settings) -> None:
    for folder in write_demo(settings.home / "inbox"):
        loaded = load_submission(settings, read_folder(folder))
        if loaded.state == "loaded":
            settle(settings, loaded.sub_no, "passed", ())
    if publishing.build(settings, "bench") is None or not publishing.audit(settings, "bench"):
        raise WrongResultError("The demo was not built.")
    publishing.publish(settings, "bench")


def _bare_and_open(settings: Settings) -> None:
    """Tables of the rows shown, cut and indexed by month where `bi` is; views as `bi` has them, open to all."""
    with open_connection(admin_url(settings), autocommit=True) as admin:
        admin.execute("set work_mem = '256MB'")
        admin.execute(
            "insert into ops.scope (role_name, is_national) values (current_user, true) on conflict do nothing"
        )
        for schema in (BARE, OPEN):
            admin.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))
            admin.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        for relation in bi.relations(dbt_runs.manifest_path(settings)):
            _table(admin, relation.name)
            # without the policy it is the pointer that says which rows of a fact are shown
            text = replace(relation, is_by_month=False).view_sql()
            admin.execute(sql.SQL("create view {} as {}").format(sql.Identifier(OPEN, relation.name), sql.SQL(text)))
        for schema in (BARE, OPEN):
            admin.execute(
                sql.SQL("create view {} as select * from bi.publication").format(sql.Identifier(schema, "publication"))
            )
            name, reader = sql.Identifier(schema), sql.Identifier(roles.READER)
            admin.execute(sql.SQL("grant usage on schema {} to {}").format(name, reader))
            admin.execute(sql.SQL("grant select on all tables in schema {} to {}").format(name, reader))
        # a view's owner reads for the reader, as in bi; engineers see every row
        for relation in bi.relations(dbt_runs.manifest_path(settings)):
            admin.execute(
                sql.SQL("alter view {} owner to {}").format(
                    sql.Identifier(OPEN, relation.name), sql.Identifier(roles.ENGINEER)
                )
            )
        admin.execute(
            sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(OPEN), sql.Identifier(roles.ENGINEER))
        )


def _table(admin: Connection, name: str) -> None:
    kind = admin.execute(
        "select relkind::text from pg_class where oid = to_regclass(%s)", [f"marts.{name}__rows"]
    ).fetchone()
    target, view = sql.Identifier(BARE, name), sql.Identifier("bi", name)
    if kind != ("p",):
        admin.execute(sql.SQL("create table {} as select * from {}").format(target, view))
    else:
        admin.execute(sql.SQL("create table {} (like {}) partition by range (month)").format(target, view))
        months = admin.execute(sql.SQL("select distinct month from {} order by 1").format(view)).fetchall()
        for (month,) in months:
            part = sql.Identifier(BARE, f"{name}_{month:%Y_%m}")
            admin.execute(
                sql.SQL("create table {} partition of {} for values from ({}) to ({})").format(
                    part, target, sql.Literal(f"{month:%Y-%m-%d}"), sql.Literal(_next(month))
                )
            )
        admin.execute(sql.SQL("insert into {} select * from {}").format(target, view))
    admin.execute(sql.SQL("analyze {}").format(target))


def _next(month: object) -> str:
    year, number = (int(part) for part in str(month).split("-")[:2])
    return f"{year + number // 12}-{number % 12 + 1:02d}-01"


def _ask(reader: Connection, schema: str, text: str) -> tuple[float, list[tuple[object, ...]]]:
    reader.execute(sql.SQL("set search_path to {}").format(sql.Identifier(schema)))
    begun = time.perf_counter()
    rows = reader.execute(text.encode()).fetchall()
    return time.perf_counter() - begun, rows


def _result(seconds: dict[str, dict[str, list[float]]], repeat: int) -> Result:
    medians = {schema: {name: statistics.median(found) for name, found in of.items()} for schema, of in seconds.items()}
    totals = {schema: sum(of.values()) for schema, of in medians.items()}
    result = Result("query", len(medians["bi"]))
    rounds = {
        schema: tuple(sum(found[k] for found in of.values()) for k in range(repeat)) for schema, of in seconds.items()
    }
    result.ways = [
        Way(label, len(medians["bi"]), rounds[schema], (0.0,))
        for label, schema in (
            ("floor: bare tables", BARE), ("bi without policies", OPEN), ("bi, as vss_reader", "bi"),
        )
    ]  # fmt: skip
    result.targets = [
        Target(
            f"{words}: {(ratio := totals['bi'] / totals[floor]):.2f}",
            ratio <= bound,
            floor=f"{1000 * totals[floor]:.0f} ms",
            ours=f"{1000 * totals['bi']:.0f} ms",
            ratio=ratio,
        )
        for floor, bound, words in (
            (BARE, _OF_BARE, f"bi takes at most {_OF_BARE} of bare tables over all queries"),
            (OPEN, _OF_OPEN, f"and at most {_OF_OPEN} of the same views without row-level security"),
        )
    ]
    result.facts = {"milliseconds": {
        name: {schema: round(1000 * medians[schema][name], 2) for schema in medians} for name in medians["bi"]
    }}  # fmt: skip
    slowest = sorted(medians["bi"], key=lambda name: medians["bi"][name] - medians[BARE][name], reverse=True)[:8]
    result.remarks = [
        f"question {name}: {1000 * medians[BARE][name]:.1f} ms bare, {1000 * medians[OPEN][name]:.1f} open,"
        f" {1000 * medians['bi'][name]:.1f} bi"
        for name in slowest
    ]
    return result
