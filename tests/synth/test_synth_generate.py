"""Generated submissions: acceptable, repeatable, the same people from month to month."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
import json
import re
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from ingestion import manifest
from synth import law, population, provinces
from synth.chance import apportion
from synth.contributions import employer_dues
from synth.generate import generate
from synth.identifiers import tax_check_digit
from synth.participants import participants
from warehouse.errors import UsageError

Reader = Callable[[Path], pl.DataFrame]
FEEDS = Path(__file__).resolve().parents[1] / "reference" / "feeds.csv"
INDICATORS = FEEDS.with_name("indicators.csv")
OCTOBER = dt.date(2021, 10, 1)
MERGER = dt.date(2025, 7, 1)
CELLS = 63


def rules() -> dict[str, list[dict[str, str]]]:
    with FEEDS.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {feed: list(group) for feed, group in itertools.groupby(rows, key=lambda row: row["feed"])}


def files(inbox: Path) -> list[Path]:
    return sorted(path for path in inbox.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def merger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four provinces of June 2025, two of them merging with others in July."""
    inbox = tmp_path_factory.mktemp("merger")
    chosen = ["17", "25", "26", "46"]
    generate(inbox, provinces=chosen, first_month=dt.date(2025, 6, 1), last_month=MERGER, scale=0.01)
    return inbox


def test_every_file_keeps_the_rules_of_its_feed(merger: Path) -> None:
    known = rules()
    seen = set()
    for path in merger.rglob("*.csv"):
        frame = pl.read_csv(path, infer_schema_length=0)
        columns = {row["column"]: row for row in known[path.stem]}
        seen.add(path.stem)
        assert set(frame.columns) <= set(columns), path
        for name, rule in columns.items():
            if rule["required"] == "yes":
                assert frame[name].null_count() == 0, (path, name)
            if name not in frame.columns:
                continue
            filled = frame[name].drop_nulls()
            if rule["type"] == "enum":
                assert set(filled) <= set(rule["values_or_rule"].split(";")[0].split("|")), (path, name)
            if rule["type"] in {"money", "integer"}:
                assert filled.str.contains(r"^-?\d+$").all(), (path, name)
        key = [row["column"] for row in known[path.stem] if row["key"] == "yes"]
        assert frame.select(pl.struct(key).is_duplicated().any()).item() is False, path
    assert seen == set(known) - {"policy_relief"}  # the relief had ended by 2025


def test_relief_is_sent_while_it_lasts(tmp_path: Path, read: Reader) -> None:
    generate(tmp_path, provinces=["46"], first_month=OCTOBER, last_month=OCTOBER)
    relief = read(tmp_path / "province-46" / "p46-2021-10-v1" / "policy_relief.csv")
    assert set(relief["policy"]) == {"R68_OAD", "R116_UI_RATE", "R116_CASH"}


def test_indicators_are_sent_with_the_unit_and_measure_of_their_code(merger: Path) -> None:
    with INDICATORS.open(encoding="utf-8", newline="") as stream:
        known = {row["indicator"]: (row["unit"], row["measure"]) for row in csv.DictReader(stream)}
    for path in merger.rglob("indicators.csv"):
        for row in pl.read_csv(path, infer_schema_length=0).iter_rows(named=True):
            assert (row["unit"], row["measure"]) == known[row["indicator"]]


def test_manifests_declare_what_the_files_hold(merger: Path) -> None:
    for path in merger.rglob(manifest.MANIFEST_NAME):
        parsed = manifest.parse(path.read_bytes())
        assert parsed.submission_id == path.parent.name
        assert parsed.sender == path.parent.parent.name
        for file in parsed.files:
            if file.path is None:
                continue
            content = path.parent / file.path
            frame = pl.read_csv(content, infer_schema_length=0)
            assert (file.bytes, file.sha256) == (content.stat().st_size, manifest.sha256_of(content))
            assert file.rows == frame.height
            for name, total in file.totals.items():
                assert total == frame[name].cast(pl.Int64).sum()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    def made(name: str, seed: int) -> dict[str, bytes]:
        generate(tmp_path / name, provinces=["46"], first_month=OCTOBER, last_month=OCTOBER, scale=0.002, seed=seed)
        return {str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files(tmp_path / name)}

    first, again, other = made("first", 5), made("again", 5), made("other", 6)
    assert first == again
    assert first.keys() == other.keys()
    assert first != other


def test_ui_is_inside_si_c_and_si_c_inside_hi_by_person(merger: Path) -> None:
    for path in merger.rglob("participants.csv"):
        frame = pl.read_csv(path, infer_schema_length=0)
        people = {key[0]: set(part["si_number"]) for key, part in frame.group_by("insurance_type")}
        assert people["UI"] < people["SI_C"] < people["HI"]
        assert people["SI_V"] < people["HI"]
        assert not people["SI_V"] & people["SI_C"]
        units = set(pl.read_csv(path.with_name("employers.csv"), infer_schema_length=0)["si_unit_code"])
        assert set(frame["si_unit_code"].drop_nulls()) <= units


def test_merged_provinces_go_on_with_the_same_people_and_units(merger: Path, read: Reader) -> None:
    before = [
        read(merger / f"province-{code}" / f"p{code}-2025-06-v1" / "participants.csv") for code in ("17", "25", "26")
    ]
    after = read(merger / "province-25" / "p25-2025-07-v1" / "participants.csv")
    earlier = set(pl.concat(before)["si_number"])
    assert len(earlier & set(after["si_number"])) > 0.97 * len(earlier)
    assert not (merger / "province-26" / "p26-2025-07-v1").exists()
    units = read(merger / "province-25" / "p25-2025-07-v1" / "employers.csv")
    assert units["si_unit_code"].is_unique().all()


def test_months_change_little() -> None:
    cell = provinces.cell("30", scale=0.05)
    months = [participants(population.take(cell, month, 1)) for month in (OCTOBER, dt.date(2021, 11, 1))]
    before, after = (set(frame.filter(pl.col("insurance_type") == "SI_C")["si_number"]) for frame in months)
    assert 0 < len(before - after) < 0.02 * len(before)
    both = months[0].join(months[1], on=["si_number", "insurance_type"])
    assert (both["full_name"] == both["full_name_right"]).all()
    assert (both["birth_date"] == both["birth_date_right"]).all()
    assert (both["si_unit_code"] == both["si_unit_code_right"]).drop_nulls().mean() == pytest.approx(1, abs=0.01)


def test_some_join_compulsory_insurance_from_voluntary() -> None:
    cell = provinces.cell("30", scale=0.05)
    before = participants(population.take(cell, OCTOBER, 1)).filter(pl.col("insurance_type") == "SI_V")
    after = participants(population.take(cell, dt.date(2021, 11, 1), 1)).filter(pl.col("insurance_type") == "SI_C")
    assert set(before["si_number"]) & set(after["si_number"])


@pytest.mark.parametrize("scale", [0.0005, 0.01])
def test_amounts_move_too_little_between_months_to_be_held(tmp_path: Path, read: Reader, scale: float) -> None:
    generate(
        tmp_path, provinces=["06", "46"], first_month=dt.date(2021, 10, 1), last_month=dt.date(2022, 3, 1), scale=scale
    )
    for code in ("06", "46"):
        earlier: dict[tuple[str, str], int] = {}
        for folder in sorted(tmp_path.glob(f"province-{code}/p{code}-????-??-v1")):
            for path in sorted(folder.glob("*.csv")):
                frame = read(path)
                for name in [name for name in frame.columns if name.endswith("_vnd")]:
                    total, last = int(frame[name].sum()), earlier.get((path.stem, name))
                    assert last is None or not total or last / 100 < total < last * 100, (path, name)
                    if total:
                        earlier[path.stem, name] = total


def test_wages_lie_above_the_minimum_and_dues_follow_the_law() -> None:
    snapshot = population.take(provinces.cell("27", scale=0.05), OCTOBER, 1)
    assert int(snapshot.people.wage.min()) >= law.minimum_wages(OCTOBER)[3]
    exempt = snapshot.units.is_exempt[: snapshot.units.active]
    for fund, full, reduced in (("OAD", 50, 0), ("UI", 200, 100), ("RETIREMENT", 2200, 2200), ("HI", 450, 450)):
        _, wages, due = employer_dues(snapshot, fund, OCTOBER)
        assert (due[exempt] == (wages[exempt] * full + 5000) // 10_000).all()
        assert (due[~exempt] == (wages[~exempt] * reduced + 5000) // 10_000).all()


def test_a_tenth_of_the_wage_fund_is_exempt_from_the_rate_cuts() -> None:
    snapshot = population.take(provinces.cell("79", scale=0.02), OCTOBER, 1)
    _, wages, _ = employer_dues(snapshot, "RETIREMENT", OCTOBER)
    assert wages[snapshot.units.is_exempt[: snapshot.units.active]].sum() / wages.sum() == pytest.approx(
        0.11, abs=0.025
    )


def test_tax_codes_have_valid_check_digits() -> None:
    assert tax_check_digit("010004751") == 6
    codes = population.take(provinces.cell("31", scale=0.2), OCTOBER, 1).units.frame["tax_code"].drop_nulls()
    organisations = [code for code in codes if len(code) != 12]
    assert all(re.fullmatch(r"\d{10}(-\d{3})?", code) for code in organisations)
    assert all(tax_check_digit(code[:9]) == int(code[9]) for code in organisations)
    assert {len(code) for code in codes} == {10, 12, 14}
    assert codes.is_unique().all()


def test_the_country_has_122_million_rows_at_full_size() -> None:
    cells = [provinces.cell(code, scale=1) for code in provinces.succession()]
    assert len(cells) == CELLS
    assert sum(cell.sizes.rows for cell in cells) == pytest.approx(provinces.NATIONAL_ROWS, rel=1e-5)
    assert sum(cell.sizes.si_c for cell in cells) == pytest.approx(16e6, rel=0.05)


def test_each_month_has_the_senders_of_its_map() -> None:
    assert len(provinces.senders(dt.date(2025, 6, 1))) == CELLS
    assert len(provinces.senders(MERGER)) == 34
    assert [sender.code for sender in provinces.senders(MERGER, ["26", "46"])] == ["25", "46"]
    with pytest.raises(UsageError, match="no province has the code 99"):
        provinces.senders(MERGER, ["99"])


def test_defects_spoil_the_share_asked_for_and_totals_still_agree(tmp_path: Path) -> None:
    generate(tmp_path, provinces=["46"], first_month=OCTOBER, last_month=OCTOBER, scale=0.01, defects=0.02)
    folder = tmp_path / "province-46" / "p46-2021-10-v1"
    frame = pl.read_csv(folder / "participants.csv", infer_schema_length=0)
    bad = frame.select(
        ~pl.col("si_number").str.contains(r"^\d{10}$")
        | (pl.col("birth_date") == "31/02/1990")
        | (pl.col("sex") == "X")
        | pl.col("wage_base_vnd").str.contains(r"\.").fill_null(False)
    ).to_series()
    assert bad.mean() == pytest.approx(0.02, abs=0.001)
    declared = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"][0]["totals"]["wage_base_vnd"]
    assert declared == frame["wage_base_vnd"].cast(pl.Int64, strict=False).sum()


def test_personal_ids_are_unique_in_a_province_of_full_size() -> None:
    snapshot = population.take(provinces.cell("46", scale=1), OCTOBER, 1)
    began = time.perf_counter()
    frame = participants(snapshot)
    assert time.perf_counter() - began < 30
    health = frame.filter(pl.col("insurance_type") == "HI")
    assert health["si_number"].is_unique().all()
    assert health["personal_id"].drop_nulls().is_unique().all()
    assert health["si_number"].str.starts_with("46").all()


def test_apportioned_parts_add_up() -> None:
    weights = pl.Series([3, 0, 7, 11, 1]).to_numpy()
    for total in (0, 1, 10, 10_000_000_007):
        parts = apportion(weights, total)
        assert int(parts.sum()) == total
        assert Decimal(int(parts[1])) == 0


def test_senseless_arguments_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--to lies before --from"):
        generate(tmp_path, first_month=OCTOBER, last_month=dt.date(2021, 9, 1))
    with pytest.raises(UsageError, match="between 0 and 1"):
        generate(tmp_path, first_month=OCTOBER, last_month=OCTOBER, defects=2)
    with pytest.raises(UsageError, match="above 0"):
        generate(tmp_path, first_month=OCTOBER, last_month=OCTOBER, scale=0)
