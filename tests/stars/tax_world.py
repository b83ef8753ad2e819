"""The tax side of the small world: units with chosen tax codes and heads, and the lists that the tax office sends.

Every situation of the tax match stands here at least twice. `UNITS` are few units beside the generated ones; their
people are taken from the largest units of their provinces, so that nobody is added. A list names those codes, and
besides them every tax code of the provinces' lists, with the employees that the province states.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from synth import provinces as maps
from synth.identifiers import organisation_tax_codes, personal_ids

Frames = dict[str, pl.DataFrame | None]
Row = dict[str, object]
# the largest units, whose people work for the units of this module
DONORS = ("FDS509H", "TNI747A", "TNU473B", "FDI452O", "TNY678R", "TNU508W", "TNQ503F", "TNH503F", "TNK469G")
YEAR = ("2021-09", "2021-10", "2021-11", "2021-12")
NEXT_YEAR = ("2022-01", "2022-10")
BEFORE_MERGER, SINCE_MERGER = ("2025-05", "2025-06"), ("2025-07", "2025-08")
# persons of a unit who stand in another province's unit of the same tax code too: from, to, how many
SHARED = (("26", "TXD01", "01", "TXD02", 2), ("26", "TXD03", "01", "TXD04", 1))
# units of the generated lists that no tax list names
UNNAMED = {2021: ("SCA542V", "TNQ503F", "TNV435H", "FDS509H"), 2025: ("TNT571D", "TNI747A", "TNA470I")}
STATUSES = {
    "TNU374D": "closed", "TNA408C": "closed_unfinalised", "TNY543G": "not_at_address", "TNE577F": "closed",
    "TNQ645D": "closed_unfinalised", "TNW679C": "not_at_address", "TNM476A": "suspended", "TNU814G": "suspended",
}  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """A unit beside the generated ones, on the lists of the months `listed` of the province that `cell` is in.

    `heads` is how many persons work there, in every listed month or by month; `changes` are attributes from a month on;
    `arrears` by month (fund, principal, overdue, months owed, oldest month).
    """

    cell: str
    code: str
    tax_code: str | None
    name: str
    heads: int | Mapping[str, int] = 0
    listed: Sequence[str] = YEAR
    unit_type: str = "private"
    status: str = "active"
    address: str | None = None
    changes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    arrears: Mapping[str, Sequence[tuple[str, int, int, str | None, str | None]]] = field(default_factory=dict)

    def heads_in(self, period: str) -> int:
        """How many persons work there in a month."""
        if isinstance(self.heads, int):
            return self.heads if period in self.listed else 0
        return self.heads.get(period, 0)


def code(number: int, branch: int | None = None) -> str:
    """A tax code of this module, of an organisation or of one of its branches."""
    own = str(organisation_tax_codes(98, np.array([number], dtype=np.int64))[0])
    return own if branch is None else f"{own}-{branch:03d}"


def person(number: int) -> str:
    """The personal id of the owner of a household business."""
    years, sexes = np.array([1970 + number], dtype=np.int64), np.array([number % 2], dtype=np.int64)
    return str(personal_ids("24", years, sexes, np.array([900_000 + number], dtype=np.int64))[0])


_UNPAID = ("RETIREMENT", 5_000_000, 5_000_000, "2.0", "2021-11")
_ONE_MONTH = ("RETIREMENT", 4_000_000, 4_000_000, "1.0", "2021-12")
_ONLY_DUE = ("RETIREMENT", 3_000_000, 0, "0.0", "2021-12")
_BELOW_A_MONTH = ("RETIREMENT", 2_000_000, 2_000_000, "0.9", "2021-12")
_COUNTED = ("RETIREMENT", 5_000_000, 5_000_000, None, "2021-10")
_NOT_STATED = ("RETIREMENT", 5_000_000, 5_000_000, None, None)
_LITTLE_LATE = ("RETIREMENT", 2_000_000, 1_000_000, "0.5", "2021-12")
_OLD_NOT_LATE = ("HI", 1_000_000, 0, "2.0", "2021-11")

UNITS = (
    # several units of one code, in one province and in two
    Unit("26", "TXB01", code(1), "Công ty TNHH Cơ khí Lâm Viên", 3),
    Unit("26", "TXB02", code(1), "Xưởng đúc Lâm Viên", 2),
    Unit("01", "TXB03", code(2), "Công ty Cổ phần Gốm Bát Tràng", 12),
    Unit("01", "TXB04", code(2), "Kho gốm Bát Tràng", 8),
    Unit("26", "TXC01", code(3), "Công ty TNHH Sơn mài Phú Bình", 4),
    Unit("46", "TXC02", code(3), "Sơn mài Phú Bình miền Trung", 3),
    Unit("24", "TXC03", code(4), "Công ty Cổ phần Vải thiều Lục Ngạn", 5),
    Unit("27", "TXC04", code(4), "Vải thiều Lục Ngạn kho lạnh", 3),
    # persons who work for two units of one code
    Unit("26", "TXD01", code(5), "Công ty TNHH Tre nứa Sông Lô", 3),
    Unit("01", "TXD02", code(5), "Tre nứa Sông Lô cửa hàng", 4),
    Unit("26", "TXD03", code(6), "Công ty TNHH Chè Tân Cương", 2),
    Unit("01", "TXD04", code(6), "Chè Tân Cương phòng trưng bày", 5),
    # a branch of the list whose parent has the unit, a parent of the list whose branch has it, a branch of its own
    Unit("26", "TXE01", code(7), "Công ty Cổ phần Đá quý Lục Yên", 4),
    Unit("01", "TXE02", code(8), "Công ty Cổ phần Bia hơi Ngọc Hà", 6),
    Unit("01", "TXF01", code(9, 1), "Thuốc lá Thăng Bình chi nhánh Đông", 5),
    Unit("46", "TXF02", code(10, 2), "Muối biển Sa Huỳnh trạm Huế", 3),
    Unit("01", "TXF03", code(11, 1), "Cà phê Buôn Hồ điểm bán Tây", 4),
    Unit("01", "TXF04", code(11, 2), "Cà phê Buôn Hồ điểm bán Nam", 5),
    Unit("24", "TXG01", code(12, 1), "Phân đạm Hà Bắc cơ sở hai", 3),
    Unit("01", "TXG02", code(13, 3), "Bánh cốm Hàng Than tiệm mới", 2),
    # a parent with a unit of its own and one of a branch that no list names
    Unit("01", "TXE03", code(14), "Công ty Cổ phần Giấy điều Kim Hoàng", 4),
    Unit("01", "TXE04", code(14, 1), "Giấy điều Kim Hoàng xưởng in", 3),
    Unit("26", "TXE05", code(15), "Công ty TNHH Hương án La Xuyên", 1),
    Unit("01", "TXE06", code(15, 2), "Hương án La Xuyên cửa hàng", 5),
    # household businesses
    Unit("24", "TXH01", person(1), "Hộ kinh doanh Trà My", 3, unit_type="household"),
    Unit("46", "TXH02", person(2), "Hộ kinh doanh Mè xửng Thiên Hương", 2, unit_type="household"),
    # nobody paid, and yet a unit
    Unit("26", "TXJ01", code(27), "Công ty TNHH Ươm tơ Cổ Chất"),
    Unit("01", "TXJ02", code(28), "Công ty TNHH Lụa Vạn Phúc", 2),
    # absconded: all year, one of two, since December, until October, on one map, a year later
    Unit("46", "TXL01", code(31), "Công ty TNHH Nón lá Tây Hồ", 2, status="absconded"),
    Unit("01", "TXL02", code(32), "Công ty TNHH Quạt giấy Canh Hoạch", status="absconded"),
    Unit("01", "TXL03", code(33), "Công ty TNHH Khảm trai Chuôn Ngọ", 1, status="absconded"),
    Unit("01", "TXL04", code(33), "Khảm trai Chuôn Ngọ nhà máy", 3),
    Unit("01", "TXL05", code(34), "Công ty TNHH Mây đan Phú Vinh", 3, changes={"2021-12": {"status": "absconded"}}),
    Unit("01", "TXL06", code(35), "Công ty TNHH Thêu Quất Động", 3, status="absconded",
         changes={"2021-11": {"status": "active"}}),
    Unit("01", "TXL07", code(36), "Công ty TNHH Rèn Đa Sỹ", 2, (*YEAR, *SINCE_MERGER), status="absconded",
         changes={"2025-07": {"status": "active"}}),
    Unit("01", "TXL08", code(37), "Công ty TNHH Tò he Xuân La", 2, (*YEAR, *NEXT_YEAR),
         changes={"2022-01": {"status": "absconded"}}),
    # absconded on the map of 34, and on that of 63 alone
    Unit("01", "TXL09", code(38), "Công ty TNHH Nón quai thao Thượng Đình", 2, (*BEFORE_MERGER, *SINCE_MERGER),
         changes={"2025-07": {"status": "absconded"}}),
    Unit("24", "TXL10", code(39), "Công ty TNHH Quạt mo Đa Mai", 2, (*BEFORE_MERGER, *SINCE_MERGER),
         status="absconded", changes={"2025-07": {"status": "active"}}),
    # who finalised the corporate income tax, and what is owed at the year's end
    Unit("01", "TXM01", code(40), "Công ty TNHH Xích líp Đông Anh", 5, arrears={"2021-12": (_UNPAID,)}),
    Unit("46", "TXM02", code(41), "Công ty TNHH Tôm chua Hương Giang", 2, arrears={"2021-12": (_ONE_MONTH,)}),
    Unit("01", "TXM03", code(42), "Công ty TNHH Kim khí Thượng Đình", 3, arrears={"2021-12": (_ONLY_DUE,)}),
    Unit("01", "TXM04", code(43), "Công ty TNHH Pin Văn Điển", 3, arrears={"2021-12": (_BELOW_A_MONTH,)}),
    Unit("27", "TXM05", code(44), "Công ty TNHH Giấy dó Phong Khê", 4, arrears={"2021-11": (_UNPAID,)}),
    Unit("01", "TXM06", code(45), "Công ty TNHH Cao su Sao Vàng", 3, arrears={"2021-12": (_COUNTED,)}),
    Unit("01", "TXM07", code(46), "Công ty TNHH Bóng đèn Rạng Đông", 3, arrears={"2021-12": (_UNPAID,)}),
    Unit("01", "TXM08", code(47), "Công ty TNHH Phích nước Hạ Đình", 3, arrears={"2021-10": (_UNPAID,)}),
    Unit("01", "TXM09", code(48), "Công ty TNHH Xà phòng Liên Mạc", 3,
         arrears={"2021-12": (_LITTLE_LATE, _OLD_NOT_LATE)}),
    Unit("01", "TXM10", code(49), "Công ty TNHH Diêm Thống Nhất", 4),
    Unit("01", "TXM11", code(49), "Diêm Thống Nhất xưởng gỗ", 2, arrears={"2021-12": (_UNPAID, _OLD_NOT_LATE)}),
    Unit("27", "TXM12", code(50), "Công ty TNHH Tranh Đông Hồ", 3),
    Unit("46", "TXM13", code(50), "Tranh Đông Hồ trạm Sình", 2, arrears={"2021-12": (_UNPAID,)}),
    Unit("26", "TXM15", code(52), "Công ty TNHH Gạch Tiền Châu", 1, arrears={"2021-12": (_ONLY_DUE,)}),
    Unit("46", "TXM16", code(53), "Công ty TNHH Hương trầm Thủy Xuân", 1, arrears={"2021-12": (_BELOW_A_MONTH,)}),
    Unit("01", "TXM14", code(51), "Công ty TNHH Chiếu cói Phùng Khoang", 3, arrears={"2021-12": (_NOT_STATED,)}),
    # gaps on either side of the two limits
    Unit("01", "TXN01", code(60), "Công ty TNHH Giò chả Ước Lễ", 5),
    Unit("01", "TXN02", code(61), "Công ty TNHH Tương Bần", 2),
    Unit("01", "TXN03", code(62), "Công ty TNHH Bún Phú Đô", 20),
    Unit("01", "TXN04", code(63), "Công ty TNHH Đậu phụ Mơ", 30),
    Unit("01", "TXN05", code(64), "Công ty TNHH Sen Tây Hồ", 18),
    Unit("01", "TXN06", code(65), "Công ty TNHH Đào Nhật Tảo", 27),
    Unit("24", "TXN07", code(66), "Công ty TNHH Mỳ gạo Chũ", 4),
    Unit("01", "TXN08", code(67), "Công ty TNHH Húng Láng",
         {"2021-09": 18, "2021-10": 19, "2021-11": 18, "2021-12": 19}),
    Unit("01", "TXN09", code(68), "Công ty TNHH Vịt Vân Đình", 8),
    Unit("27", "TXN10", code(69), "Công ty TNHH Bánh phu thê", 3),
    # months sent without the unit, months not sent
    Unit("01", "TXO01", code(70), "Công ty TNHH Nhãn lồng Đại Thắng", {"2021-09": 4, "2021-10": 4}),
    Unit("24", "TXO02", code(71), "Công ty TNHH Gà đồi Yên Thế", {"2021-11": 6, "2021-12": 6}),
    Unit("27", "TXO03", code(72), "Công ty TNHH Rượu Làng Vân", 3),
    # another tax code in the middle of the year
    Unit("26", "TXP01", code(73), "Công ty TNHH Su su Tam Đảo", 4, changes={"2021-11": {"tax_code": code(74)}}),
    Unit("01", "TXP02", code(75), "Công ty TNHH Hoa Mê Linh", 6, changes={"2021-12": {"tax_code": code(76)}}),
    # listed only after the tax year; people may have been there before
    Unit("24", "TXQ01", code(77), "Công ty TNHH Cam Bố Hạ", 3, NEXT_YEAR),
    Unit("01", "TXQ02", code(78), "Công ty TNHH Bưởi Diễn", 2, ("2022-10",)),
    Unit("01", "TXQ03", code(79), "Công ty TNHH Ổi Đông Dư",
         {"2021-11": 4, "2021-12": 4, "2022-01": 4, "2022-10": 4}, NEXT_YEAR),
    # supplements
    Unit("01", "TXR01", code(80), "Công ty TNHH Tơ tằm Phùng Xá", 7),
    Unit("24", "TXR02", code(81), "Công ty TNHH Đồ gỗ Đồng Quang", 3),
    Unit("01", "TXR03", code(82), "Công ty TNHH Nhạc cụ Đào Xá", 5),
    Unit("01", "TXR04", code(83), "Công ty TNHH Sừng Thụy Ứng", 5),
    Unit("01", "TXR05", code(84), "Công ty TNHH Tiện gỗ Nhị Khê", 5),
    Unit("46", "TXR06", code(85), "Công ty TNHH Bún bò Vân Cù", 2),
    # a list that does not know the province, or names another
    Unit("01", "TXS01", code(86), "Công ty TNHH Guốc mộc Yên Xá", 3),
    Unit("26", "TXS02", code(89), "Công ty TNHH Rắn Vĩnh Sơn", 2),
    Unit("26", "TXS03", code(91), "Công ty TNHH Đá Hải Lựu", 1),
    # names alike and names not alike
    Unit("26", "TXT01", None, "Công ty TNHH Thương mại Hòa Bình Xanh", 3),
    Unit("46", "TXT02", code(93), "Công ty Cổ phần Đại Đồng Tiến", 2),
    Unit("24", "TXT03", None, "Công ty TNHH Dệt may Thăng Long", 3),
    Unit("01", "TXT04", None, "Công ty Cổ phần Thảm len Mười 10", 3),
    Unit("01", "TXT05", None, "Công ty TNHH Giấy Bãi Bằng 5", 3),
    Unit("46", "TXT06", None, "Công ty TNHH Nước mắm Làng Nam Ô", 1),
    Unit("01", "TXT07", None, "Công ty TNHH Vận tải Hoàng Long Phát", 2, address="Đường Bưởi Cũ"),
    Unit("01", "TXT08", None, "Công ty TNHH Taxi Mai Linh Phương", 2, address="Đường Đê La Thành"),
    Unit("27", "TXT09", None, "Công ty TNHH Gạch ngói Đáp Cầu", 3),
    Unit("01", "TXT10", None, "Công ty Cổ phần Xi măng Bỉm Sơn", 2),
    Unit("01", "TXT11", None, "Công ty Cổ phần Vinatexco", 2),
    Unit("46", "TXT12", None, "Công ty TNHH Thương mại Dịch vụ Xây dựng", 1),
    # active in the year and on no tax list, or not active
    Unit("01", "TXU01", code(108), "Công ty TNHH Ô mai Hàng Đường", 2, changes={"2021-12": {"status": "dissolved"}}),
    Unit("01", "TXU02", code(109), "Công ty TNHH Chả cá Lã Vọng", status="suspended"),
    Unit("24", "TXU03", person(6), "Hộ kinh doanh Bánh đa Kế", 2, unit_type="household"),
    # over the merger
    Unit("24", "TXV01", code(110), "Công ty TNHH Tương La Dương", 4, SINCE_MERGER),
    Unit("26", "TXV02", code(111), "Công ty TNHH Cá thính Lập Thạch", 3, SINCE_MERGER),
    Unit("27", "TXV03", code(112), "Công ty TNHH Nem Bùi Xá", 5, BEFORE_MERGER),
    Unit("24", "TXV04", code(113), "Công ty TNHH Bún Đa Mai", 4, BEFORE_MERGER),
    Unit("24", "TXV05", code(113), "Công ty TNHH Bún Đa Mai", 6, SINCE_MERGER),
    Unit("27", "TXV06", code(114), "Công ty TNHH Gốm Phù Khê", 3, BEFORE_MERGER),
    Unit("24", "TXV07", code(114), "Gốm Phù Khê Bắc Giang", 5, (*BEFORE_MERGER, *SINCE_MERGER)),
)  # fmt: skip


def edit(code_of_month: str, month: dt.date, feeds: Frames) -> None:
    """The units of this module in the feeds of a province; Bac Ninh's arrears of December 2021 do not come."""
    period = f"{month:%Y-%m}"
    units = [unit for unit in UNITS if _sender_of(unit.cell, month) == code_of_month]
    if feeds.get("employers") is not None:
        feeds["employers"] = with_units(code_of_month, month, _need(feeds, "employers"))
    if feeds.get("participants") is not None:
        feeds["participants"] = _employed(_need(feeds, "participants"), {u.code: u.heads_in(period) for u in units})
    if (code_of_month, period) == ("27", "2021-12"):
        del feeds["arrears"]
    elif feeds.get("arrears") is not None:
        feeds["arrears"] = _with_arrears(_need(feeds, "arrears"), units, period)


def with_units(code_of_month: str, month: dt.date, listed: pl.DataFrame) -> pl.DataFrame:
    """A province's list of units with those of this module at its end."""
    period = f"{month:%Y-%m}"
    like = listed.filter((pl.col("unit_type") == "private") & (pl.col("status") == "active")).head(1)
    more = []
    for unit in UNITS:
        if _sender_of(unit.cell, month) != code_of_month or period not in unit.listed:
            continue
        values = {
            "si_unit_code": unit.code, "tax_code": unit.tax_code, "name": unit.name, "unit_type": unit.unit_type,
            "status": unit.status, "address": unit.address, "employees": str(unit.heads_in(period)),
        }  # fmt: skip
        for since, changed in unit.changes.items():
            values |= changed if since <= period else {}
        more.append(like.with_columns(pl.lit(value, dtype=pl.String).alias(name) for name, value in values.items()))
    return pl.concat([listed, *more])


def share(frames: Mapping[str, Frames], month: dt.date) -> None:
    """In 2021 some persons of a unit stand in a unit of another province too, with compulsory insurance only."""
    if month.year != 2021:
        return
    for sender, unit, other_sender, other_unit, count in SHARED:
        people = _need(frames[sender], "participants")
        theirs = people.filter((pl.col("si_unit_code") == unit) & (pl.col("insurance_type") == "SI_C")).head(count)
        assert theirs.height == count
        again = theirs.with_columns(si_unit_code=pl.lit(other_unit), office_code=None)
        there = frames[other_sender]
        there["participants"] = pl.concat([_need(there, "participants"), again], how="diagonal_relaxed")


def first_list(lists: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """What the tax office sends for March 2022: the year 2021, and a few rows of 2020. `lists` by province."""
    return _frame([*_named(2021, lists), *_FIRST_2021, *_of_2020(lists)])


def supplements() -> pl.DataFrame:
    """What it sends for June 2022: supplements of 2021, and rows it sent before."""
    return _frame(_SUPPLEMENTS)


def last_list(lists: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """What it sends for August 2025: the year 2025 so far."""
    return _frame([*_named(2025, lists), *_FIRST_2025])


def belated_list() -> pl.DataFrame:
    """What it sends for May 2025: a few rows of 2023, a year for which no province sent a file."""
    return _frame(_OF_2023)


def _row(tax_code: str, name: str, employees: int, province: str | None, **more: object) -> Row:
    """A row of a tax list: employees paid and with contract, 84 million đồng a head."""
    row: Row = {
        "tax_year": 2021, "tax_code": tax_code, "supplement_no": 0, "name": name, "province_code": province,
        "status": "operating", "status_date": None, "employees_paid": employees, "employees_with_contract": employees,
        "income_paid_vnd": employees * 84_000_001, "cit_finalised": "N", "cit_filing_date": None,
        "wage_cost_vnd": employees * 80_000_000, "industry_code": "4690", "address": None,
    }  # fmt: skip
    row |= more
    if row["cit_finalised"] == "Y":
        row["cit_filing_date"] = f"{int(str(row['tax_year'])) + 1}-03-25"
    if row["status"] != "operating":
        row["status_date"] = f"{row['tax_year']}-11-20"
    return row


def _of(unit_code: str, employees: int, **more: object) -> Row:
    """A row with the code, name and province of a unit of this module."""
    unit = next(unit for unit in UNITS if unit.code == unit_code)
    assert unit.tax_code is not None
    return _row(unit.tax_code, unit.name, employees, **{"province": unit.cell, **more})  # type: ignore[arg-type]


def _named(year: int, lists: Mapping[str, pl.DataFrame]) -> list[Row]:
    """A row for each tax code of the generated units, with the employees of the first unit that has it."""
    own = {unit.code for unit in UNITS}
    rows: dict[str, Row] = {}
    for province, frame in sorted(lists.items()):
        for unit in frame.iter_rows(named=True):
            code_of_unit = unit["tax_code"]
            if code_of_unit is None or unit["si_unit_code"] in (*own, *UNNAMED[year]) or code_of_unit in rows:
                continue
            rows[code_of_unit] = _row(
                code_of_unit, unit["name"], int(unit["employees"]), province, tax_year=year,
                status=STATUSES.get(unit["si_unit_code"], "operating"), cit_finalised="YN"[len(rows) % 2],
                industry_code=unit["industry_code"],
            )  # fmt: skip
    return list(rows.values())


_YES = {"cit_finalised": "Y"}
_FIRST_2021: list[Row] = [
    _of("TXB01", 5), _of("TXB03", 20), _of("TXC01", 9), _of("TXC03", 8), _of("TXD01", 7, **_YES), _of("TXD03", 9),
    _row(code(7, 1), "Đá quý Lục Yên quầy Một", 3, "26"), _row(code(7, 2), "Đá quý Lục Yên quầy Hai", 2, "01"),
    _of("TXE01", 4), _row(code(8, 5), "Bia hơi Ngọc Hà vườn", 6, "01", **_YES),
    _row(code(9), "Công ty Cổ phần Thuốc lá Thăng Bình", 5, "01"),
    _row(code(10), "Công ty TNHH Muối biển Sa Huỳnh", 3, "46"),
    _row(code(11), "Công ty TNHH Cà phê Buôn Hồ", 9, "01"), _of("TXF03", 4),
    _row(code(12), "Phân đạm Hà Bắc", 7, "24"), _of("TXG01", 3), _of("TXE03", 7), _of("TXE05", 6),
    _row(code(13), "Bánh cốm Hàng Than", 4, "01", **_YES), _of("TXG02", 2),
    _of("TXH01", 3), _of("TXH02", 6), _row(person(3), "Hộ kinh doanh Bà Tư", 4, "24"),
    _row(person(4), "Hộ kinh doanh Ông Năm", 0, "24"),
    _row(person(5), "Hộ kinh doanh Cô Sáu", 0, "46", status="closed"),
    # no unit
    _row(code(20), "Công ty TNHH Ngọc trai Hồng Vân", 6, "27"),
    _row(code(21), "Công ty Cổ phần Du lịch Ánh Dương", 3, "46", **_YES),
    _row(code(22), "Công ty TNHH Kính mắt Tràng Tiền", 1, "01"),
    _row(code(23), "Công ty TNHH Áo dài Trạch Xá", 0, "26"),
    _row(code(24), "Công ty TNHH Mũ cối Ba Sao", 0, "01", status="suspended"),
    _row(code(25), "Công ty TNHH Dù lượn Đồi Bù", 0, "26", status="closed"),
    _row(code(26), "Công ty TNHH Thuyền rồng Vỹ Dạ", 0, "46", status="not_at_address"),
    _of("TXJ01", 0), _of("TXJ02", 0, **_YES),
    _row(code(29), "Công ty TNHH Quế Trà Bồng", 3, "01", status="closed", **_YES),
    _row(code(30), "Công ty TNHH Hồi Lạng Giang", 2, "24", status="closed_unfinalised"),
    _of("TXL01", 2), _of("TXL02", 3), _of("TXL03", 4), _of("TXL05", 3), _of("TXL06", 3), _of("TXL07", 2),
    _of("TXL08", 2),
    _of("TXM01", 9, **_YES), _of("TXM02", 2, **_YES), _of("TXM03", 3, **_YES), _of("TXM04", 3, **_YES),
    _of("TXM05", 4, **_YES), _of("TXM06", 3, **_YES), _of("TXM07", 9), _of("TXM08", 3, **_YES),
    _of("TXM09", 3, **_YES), _of("TXM10", 6, **_YES), _of("TXM12", 5, **_YES), _of("TXM14", 3, **_YES),
    _of("TXM15", 1, **_YES), _of("TXM16", 1, **_YES),
    _of("TXN01", 6), _of("TXN02", 3), _of("TXN03", 22), _of("TXN04", 33), _of("TXN05", 20), _of("TXN06", 30),
    _of("TXN07", 6, employees_with_contract=None), _of("TXN08", 21),
    _of("TXN09", 12, employees_with_contract=5, income_paid_vnd=None), _of("TXN10", 5, cit_finalised=None),
    _of("TXO01", 4), _of("TXO02", 3), _of("TXO03", 3),
    _of("TXP01", 4), _row(code(74), "Công ty TNHH Su su Tam Đảo", 4, "26"), _of("TXP02", 6),
    _of("TXQ01", 3), _of("TXQ02", 2, **_YES), _of("TXQ03", 4),
    _of("TXR01", 12), _of("TXR01", 7, supplement_no=1), _of("TXR02", 9, supplement_no=2), _of("TXR02", 3),
    _of("TXR03", 5), _of("TXR04", 9, supplement_no=1), _of("TXR05", 5, supplement_no=1), _of("TXR06", 2),
    # the province is not known, is none, or has no file
    _of("TXS01", 3, province=None), _row(code(87), "Công ty TNHH Gốm sứ Phù Lãng", 4, None),
    _row(code(88), "Công ty TNHH Nón Chuông", 5, "99"), _of("TXS02", 2, province="99"),
    _row(code(90), "Công ty TNHH Chè Thanh Ba", 3, "25", **_YES), _of("TXS03", 3, province="01"),
    # names
    _row(code(92), "CÔNG TY TNHH THUONG MAI HOA BINH XANH", 3, "26"),
    _row(code(94), "Cty CP Đại  Đồng-Tiến", 2, "46", **_YES),
    _row(code(95), "CÔNG TY TNHH DỆT MAY THĂNG LONG", 3, "27"),
    _row(code(96), "Công ty Cổ phần Thảm len Mười 12", 3, "01"),
    _row(code(97), "Công ty TNHH Giấy Bãi Bằng", 3, "01"),
    _row(code(98), "Công ty TNHH Nước mắm Làng Nam Ô", 2, "26"),
    _row(code(99), "Công ty Cổ phần Nước mắm Làng Nam Ô", 2, None),
    _row(code(100), "Công ty TNHH Nước mắm Làng Nam Ôi", 2, None),
    _row(code(101), "Công ty TNHH Vận tải Hoàng Long Phương Nam", 2, "01", address="Đường Bưởi Cũ"),
    _row(code(102), "Công ty TNHH Taxi Mai Linh Phi", 2, "01"),
    _row(code(117), "Công ty TNHH Taxi Mai Linh Phố", 2, "01", address="Ngõ Hàng Bún"),
    _row(code(118), "Công ty TNHH Taxi Linh Phương Bắc", 2, "01", address="Đường Đê La Thành"),
    _row(code(103), "Công ty TNHH Cơ khí Lâm Viên", 2, "26"),
    _row(code(104), "CTY TNHH GACH NGOI DAP CAU", 3, "27", status="closed"),
    _row(code(105), "Công ty Cổ phần Xi măng Bỉm Sơn", 0, "01"),
    _row(code(106), "Công ty Cổ phần Vinatexcom", 2, "01"),
    _row(code(107), "Công ty Cổ phần Thương mại Dịch vụ Xây dựng", 2, "46"),
]  # fmt: skip

_SUPPLEMENTS: list[Row] = [
    # the parent's branch is a row of the list now
    _of("TXF02", 3, supplement_no=1),
    _of("TXR03", 9, supplement_no=1), _of("TXR04", 5, supplement_no=1), _of("TXR05", 9),
    _of("TXR06", 2, supplement_no=1, status="closed"),
    _row(code(22), "Công ty TNHH Kính mắt Tràng Tiền", 7, "01", supplement_no=1),
]  # fmt: skip

_FIRST_2025: list[Row] = [
    _of("TXV01", 4, tax_year=2025), _of("TXV02", 3, tax_year=2025, province="25"), _of("TXV03", 5, tax_year=2025,
    province="24"), _of("TXV04", 5, tax_year=2025, **_YES), _of("TXV06", 9, tax_year=2025, province="24"),
    _of("TXL07", 2, tax_year=2025), _of("TXL09", 2, tax_year=2025), _of("TXL10", 2, tax_year=2025),
    _row(code(20), "Công ty TNHH Ngọc trai Hồng Vân", 6, "24", tax_year=2025),
    _row(code(115), "Công ty TNHH Chè Thanh Ba", 3, "25", tax_year=2025, **_YES),
    _row(code(116), "Công ty TNHH Dừa sáp", 3, "25", tax_year=2025, status="not_at_address"),
]  # fmt: skip

_OF_2023: list[Row] = [
    _of("TXB01", 5, tax_year=2023), _of("TXM01", 9, tax_year=2023, **_YES), _of("TXQ01", 3, tax_year=2023),
    _row("0118198957", "Công ty TNHH Điện tử Khánh An 39596", 480, "01", tax_year=2023, **_YES),
    _row(code(20), "Công ty TNHH Ngọc trai Hồng Vân", 6, "27", tax_year=2023),
    _row(code(23), "Công ty TNHH Áo dài Trạch Xá", 0, "26", tax_year=2023, status="closed_unfinalised"),
]  # fmt: skip


def _of_2020(lists: Mapping[str, pl.DataFrame]) -> list[Row]:
    """A year before every list of units: each still meets the unit of the first one."""
    first = lists["26"].filter(pl.col("tax_code").str.len_chars() == 10).head(1).row(0, named=True)
    return [
        _row(first["tax_code"], first["name"], int(first["employees"]), "26", tax_year=2020, **_YES),
        _of("TXC01", 9, tax_year=2020), _of("TXP01", 4, tax_year=2020), _of("TXH01", 3, tax_year=2020),
        _row(code(8, 5), "Bia hơi Ngọc Hà vườn", 6, "01", tax_year=2020),
        _row(code(20), "Công ty TNHH Ngọc trai Hồng Vân", 6, "27", tax_year=2020),
        _row(code(25), "Công ty TNHH Dù lượn Đồi Bù", 0, "26", tax_year=2020, status="closed"),
    ]  # fmt: skip


def _sender_of(cell: str, month: dt.date) -> str:
    return maps.succession()[cell] if month >= maps.MERGER else cell


def _employed(people: pl.DataFrame, heads: Mapping[str, int]) -> pl.DataFrame:
    """The first of the largest units' people work for the units of `heads` instead."""
    compulsory = people.filter((pl.col("insurance_type") == "SI_C") & pl.col("si_unit_code").is_in(DONORS))
    workplaces = [unit for unit, count in heads.items() for _ in range(count)]
    assert len(workplaces) <= compulsory.height, "the largest units are too small"
    moved = pl.DataFrame(
        {"si_number": compulsory["si_number"].head(len(workplaces)), "workplace": workplaces},
        schema={"si_number": pl.String, "workplace": pl.String},
    )
    is_work = pl.col("insurance_type").is_in(["SI_C", "UI"])
    found = people.join(moved, on="si_number", how="left", maintain_order="left")
    return found.with_columns(
        si_unit_code=pl.when(is_work).then(pl.coalesce("workplace", "si_unit_code")).otherwise("si_unit_code")
    ).drop("workplace")


def _with_arrears(arrears: pl.DataFrame, units: Iterable[Unit], period: str) -> pl.DataFrame:
    rows = [
        {
            "si_unit_code": unit.code, "fund": fund, "principal_vnd": str(principal), "overdue_vnd": str(overdue),
            "interest_vnd": "0", "months_owed": months, "oldest_month": oldest,
            "employees_affected": str(unit.heads_in(period)), "hard_to_collect": "none",
        }
        for unit in units
        for fund, principal, overdue, months, oldest in unit.arrears.get(period, ())
    ]  # fmt: skip
    if not rows:
        return arrears
    names = dict.fromkeys(rows[0], pl.String)
    return pl.concat([arrears, pl.DataFrame(rows, schema=names)], how="diagonal_relaxed")


def _need(feeds: Frames, name: str) -> pl.DataFrame:
    frame = feeds[name]
    assert frame is not None
    return frame


def _frame(rows: Sequence[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, infer_schema_length=None).select(pl.all().cast(pl.String))
