"""The demo inbox adds up to what was published, and holds the faults it is meant to hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import openpyxl
import polars as pl

from ingestion import manifest
from synth import vinh_phuc
from synth.demo import OTHERS, write_correction
from synth.submission import VIETNAM

Reader = Callable[[Path], pl.DataFrame]
MILLION = 1_000_000


def vinh_phuc_file(demo: Path, feed: str) -> Path:
    return demo / "province-26" / "p26-2021-10-v1" / f"{feed}.csv"


def received(folder: Path) -> dt.datetime:
    return dt.datetime.fromtimestamp((folder / manifest.MANIFEST_NAME).stat().st_mtime, tz=VIETNAM)


def test_participants_of_vinh_phuc_add_up(demo: Path, read: Reader) -> None:
    frame = read(vinh_phuc_file(demo, "participants"))
    people = {key[0]: part["si_number"] for key, part in frame.group_by("insurance_type")}
    counts = {name: numbers.n_unique() for name, numbers in people.items()}
    assert counts == {"SI_C": 220_596, "SI_V": 15_153, "UI": 212_790, "HI": 1_099_580}
    assert frame.height == sum(counts.values())
    assert people["UI"].is_in(people["SI_C"].implode()).all()
    assert people["SI_C"].is_in(people["HI"].implode()).all()


def test_units_of_vinh_phuc_add_up(demo: Path, read: Reader) -> None:
    units = read(vinh_phuc_file(demo, "employers"))
    active = units.filter(pl.col("status") == "active")
    assert active.height == 6363
    assert 0 < units.height - active.height < 100
    assert active["employees"].min() > 0
    assert active["employees"].sum() == 220_596


def test_collections_of_vinh_phuc_add_up(demo: Path, read: Reader) -> None:
    paid = pl.concat(
        [read(demo / "province-26" / f"p26-2021-{month:02d}-v1" / "contributions.csv") for month in range(1, 11)]
    )
    assert paid["paid_vnd"].min() >= 0
    for funds, millions in vinh_phuc.COLLECTED.items():
        assert paid.filter(pl.col("fund").is_in(list(funds)))["paid_vnd"].sum() == millions * MILLION
    assert paid["paid_vnd"].sum() == 4_313_058 * MILLION
    assert set(paid["payer_kind"]) == {"employer", "agent", "budget", "si_fund", "ui_fund", "person"}
    assert 0 < paid["interest_paid_vnd"].sum() < 0.001 * paid["paid_vnd"].sum()


def test_wage_fund_of_vinh_phuc_fits_the_two_reliefs(demo: Path, read: Reader) -> None:
    units = read(vinh_phuc_file(demo, "employers")).select("si_unit_code", "unit_type")
    rows = read(vinh_phuc_file(demo, "contributions")).filter(pl.col("wage_fund_vnd") > 0)
    rows = rows.join(units, left_on="payer_code", right_on="si_unit_code")
    exempt = pl.col("unit_type").is_in(["state_body", "armed_forces", "public_budget"])
    relieved = rows.filter(~exempt)
    billion = 1000 * MILLION
    assert 1_025 < relieved.filter(pl.col("fund") == "OAD")["wage_fund_vnd"].sum() / billion < 1_035
    assert 1_030 < relieved.filter(pl.col("fund") == "UI")["wage_fund_vnd"].sum() / billion < 1_046
    share = rows.filter(exempt)["wage_fund_vnd"].sum() / rows["wage_fund_vnd"].sum()
    assert 0.09 < share < 0.13


def test_arrears_of_vinh_phuc_add_up(demo: Path, read: Reader) -> None:
    owed = read(vinh_phuc_file(demo, "arrears"))
    assert owed["principal_vnd"].sum() == 210_118 * MILLION
    assert owed.filter(pl.col("hard_to_collect") != "none")["principal_vnd"].sum() == 10_084 * MILLION
    assert (owed["overdue_vnd"] == owed["principal_vnd"]).all()
    assert 0 < owed["months_owed"].null_count() < 0.3 * owed.height
    assert owed["oldest_month"].null_count() == 0
    months = owed["months_owed"].drop_nulls().cast(pl.Float64)
    for low, high in ((0, 1), (1, 3), (3, 6), (6, 12), (12, 99)):
        assert ((months >= low) & (months < high)).sum() > 30
    statuses = read(vinh_phuc_file(demo, "employers")).select("si_unit_code", "status")
    hard = owed.filter(pl.col("hard_to_collect") != "none").join(statuses, on="si_unit_code")
    assert (hard["hard_to_collect"] == hard["status"]).all()


def test_outreach_of_vinh_phuc_adds_up(demo: Path, read: Reader) -> None:
    months = [read(demo / "province-26" / f"p26-2021-{month:02d}-v1" / "outreach.csv") for month in range(1, 11)]
    counts = dict(pl.concat(months)["kind"].value_counts().iter_rows())
    assert counts == {
        "conference": 363, "customer_conference": 234, "small_group": 121, "subgroup": 901, "livestream": 4,
    }  # fmt: skip
    for frame, districts in ((months[8], 8), (months[9], 14)):
        levels = dict(frame.filter(pl.col("kind") == "customer_conference")["level"].value_counts().iter_rows())
        assert levels == {"province": 2, "district": districts}


def test_published_figures_are_text_as_printed(demo: Path) -> None:
    folder = demo / "province-26" / "p26-2021-10-reported"
    sheet = openpyxl.load_workbook(folder / "indicators.xlsx").active
    assert sheet is not None
    headings, *rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    assert headings[:4] == ["Chỉ tiêu", "Ngày chốt", "Giá trị", "Đơn vị tính"]
    assert all(cell is None or isinstance(cell, str) for row in rows for cell in row)
    printed = {(row[0], row[6], row[3]): row[2] for row in rows if row[1] == "2021-10-31"}
    assert printed["collection_ui", "none", "dong"] == "230,0005"
    assert printed["si_voluntary", "plan", "percent"] == "75"
    assert printed["people_managed", "last_december", "percent"] == "2.77"
    assert printed["arrears", "none", "dong"] == "210118000000000"
    keys = [(row[0], row[1], row[3], row[5], row[6]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert sum(not row[2].lstrip("-").replace(".", "", 1).isdigit() for row in rows) == 1
    assert max(row[1] for row in rows) <= f"{received(folder):%Y-%m-%d}"


def test_relief_rows_are_received_after_their_cut_off(demo: Path, read: Reader) -> None:
    frame = read(vinh_phuc_file(demo, "policy_relief"))
    actual = frame.filter(pl.col("scenario") == "actual")
    assert actual["cut_off_date"].max() == "2021-11-03"
    assert received(vinh_phuc_file(demo, "policy_relief").parent) == dt.datetime(2021, 11, 4, 9, tzinfo=VIETNAM)
    key = ["policy", "beneficiary", "status", "scenario", "cut_off_date"]
    assert frame.select(pl.struct(key).is_unique().all()).item()


def test_only_the_incomplete_submission_lacks_a_file(demo: Path) -> None:
    missing = []
    for path in demo.rglob(manifest.MANIFEST_NAME):
        for file in manifest.parse(path.read_bytes()).files:
            if file.path is None:
                continue
            content = path.parent / file.path
            if not content.exists():
                missing.append((path.parent.name, file.path))
                continue
            assert file.sha256 == manifest.sha256_of(content)
    assert missing == [("p44-2021-10-v1", "arrears.csv")]


def test_faults_of_the_small_provinces(demo: Path) -> None:
    def cells(code: str, feed: str) -> pl.DataFrame:
        return pl.read_csv(demo / f"province-{code}" / f"p{code}-2021-10-v1" / f"{feed}.csv", infer_schema_length=0)

    wages = cells("27", "participants")["wage_base_vnd"].drop_nulls()
    assert 0.25 < wages.str.contains(r"^\d{1,3}(\.\d{3})+$").mean() < 0.35
    people = cells("01", "participants")
    assert (people["si_number"].str.len_chars() == 9).sum() == 1
    assert (people["birth_date"] == "31/02/2021").sum() == 1
    assert (cells("01", "employers")["tax_code"] == "0100047517").sum() == 1
    for code in set(OTHERS) - {"27"}:
        assert cells(code, "participants")["wage_base_vnd"].drop_nulls().str.contains(r"^\d+$").all()


def test_year_to_date_contributions_of_the_small_provinces(demo: Path, read: Reader) -> None:
    folder = demo / "province-48" / "p48-2021-10-v1"
    files = {file.feed: file for file in manifest.parse((folder / manifest.MANIFEST_NAME).read_bytes()).files}
    assert files["contributions"].basis == "ytd"
    frame = read(folder / "contributions.csv")
    assert frame.select(pl.struct("payer_kind", "payer_code", "fund", "liability_month").is_unique().all()).item()
    assert {f"2021-{month:02d}" for month in range(1, 11)} <= set(frame["liability_month"])


def test_the_tax_list_knows_most_units_and_some_others(demo: Path, read: Reader) -> None:
    listed = read(demo / "tax" / "tax-2021-10-v1" / "tax_employers.csv")
    units = read(vinh_phuc_file(demo, "employers"))
    own = listed.filter(pl.col("province_code") == "26")
    assert own["tax_code"].is_in(units["tax_code"].implode()).sum() > 4000
    assert (~own["tax_code"].is_in(units["tax_code"].drop_nulls().implode())).sum() > 400
    assert set(listed["tax_year"]) == {"2020"}


def test_the_correction_changes_one_slice(demo: Path, tmp_path: Path, read: Reader) -> None:
    folder = write_correction(tmp_path)
    parsed = manifest.parse((folder / manifest.MANIFEST_NAME).read_bytes())
    assert (parsed.version, parsed.action, [file.feed for file in parsed.files]) == (2, "correct", ["participants"])
    before = read(demo / "province-10" / "p10-2021-10-v1" / "participants.csv")
    after = read(folder / "participants.csv")
    assert after.height == before.height + 30
    assert after["insurance_type"].value_counts(sort=True)["insurance_type"].to_list()[0] == "HI"
    same = after.join(before, on=["si_number", "insurance_type"])
    assert same.height == before.height
