"""Both maps of provinces, dated: as the code knows them and as the database has them."""

from __future__ import annotations

import datetime as dt

import pytest

from warehouse import roles
from warehouse.connection import connect
from warehouse.geography import current_codes, in_force, provinces, successor
from warehouse.settings import Settings

REUSED = {"15", "24", "44", "52", "80", "82", "91"}


def on(day: str) -> list[str]:
    date = dt.date.fromisoformat(day)
    return [p.province_code for p in provinces() if p.valid_from <= date < p.valid_to]


@pytest.mark.parametrize(
    ("day", "count"),
    [("2015-01-01", 63), ("2024-12-31", 63), ("2025-06-30", 63), ("2025-07-01", 34), ("2026-10-01", 34)],
)
def test_every_day_has_its_map_and_every_code_stands_on_it_once(day: str, count: int) -> None:
    codes = on(day)
    assert len(codes) == len(set(codes)) == count


@pytest.mark.parametrize(("day", "count"), [("2025-06-30", 63), ("2025-07-01", 34)])
def test_the_database_has_the_same_maps(configured: Settings, day: str, count: int) -> None:
    with connect(configured, roles.LOADER) as connection:
        rows = connection.execute(
            "select province_code, vintage from ops.province where %s::date >= valid_from and %s::date < valid_to",
            [day, day],
        ).fetchall()
    assert sorted(str(row[0]) for row in rows) == sorted(on(day))
    assert {row[1] for row in rows} == {str(count)}


def test_every_province_of_the_old_map_has_exactly_one_successor_and_every_new_one_a_predecessor() -> None:
    successors = {p.province_code: {q.current_province_code for q in provinces() if q.province_code == p.province_code
                                    and q.vintage == "63"} for p in provinces() if p.vintage == "63"}  # fmt: skip
    assert {len(found) for found in successors.values()} == {1}
    assert {code for found in successors.values() for code in found} == set(current_codes())
    assert sum({p.territory_key: p.predecessors for p in provinces() if p.vintage == "34"}.values()) == 63


def test_a_province_of_today_is_its_own_successor() -> None:
    assert all(p.current_province_code == p.province_code for p in provinces() if p.vintage == "34")


def test_seven_codes_mean_another_province_since_the_merger_and_are_marked_on_both_maps() -> None:
    before = {p.province_code: _bare(p.name_en) for p in provinces() if p.vintage == "63"}
    after = {p.province_code: _bare(p.name_en) for p in provinces() if p.vintage == "34"}
    assert {code for code, name in after.items() if before[code] != name} == REUSED
    assert {(p.province_code, p.vintage) for p in provinces() if p.is_code_reused} == {
        (code, vintage) for code in REUSED for vintage in ("63", "34")
    }


def _bare(name: str) -> str:
    return name.removesuffix(" Province").removesuffix(" City")


def test_46_is_called_thua_thien_hue_until_2024_and_hue_from_2025_and_stays_one_territory() -> None:
    before, after = in_force("46", dt.date(2024, 12, 1)), in_force("46", dt.date(2025, 1, 1))
    assert before is not None
    assert after is not None
    assert (before.name_vi, after.name_vi) == ("Tỉnh Thừa Thiên Huế", "Thành phố Huế")
    assert before.territory_key == after.territory_key
    assert before.province_key != after.province_key


def test_names_in_english_have_no_vietnamese_letters_and_are_one_for_one() -> None:
    names = {p.province_code: p.name_en for p in provinces() if p.vintage == "34"}
    assert all(name.isascii() for name in names.values())
    assert (names["01"], names["25"]) == ("Ha Noi City", "Phu Tho Province")


def test_vinh_phuc_becomes_phu_tho() -> None:
    heir = successor("26")
    assert heir is not None
    assert (heir.province_code, heir.name_vi) == ("25", "Tỉnh Phú Thọ")
    assert in_force("26", dt.date(2025, 7, 1)) is None
    assert successor("99") is None


def test_the_scopes_are_national_for_the_reader_and_one_province_for_every_provincial_reader(
    configured: Settings,
) -> None:
    with connect(configured, roles.LOADER) as connection:
        rows = connection.execute("select role_name, is_national, provinces from ops.scope order by 1").fetchall()
    scopes = {row[0]: (row[1], row[2]) for row in rows}
    assert scopes["vss_reader"] == scopes["vss_publisher"] == (True, [])
    assert scopes["vss_reader_25"] == (False, ["25"])
    assert len(scopes) == 2 + 34
