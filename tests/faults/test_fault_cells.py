"""Cells: what is refused with its place, what is put right and counted, and that nothing is guessed."""

from __future__ import annotations

import unicodedata

import pytest
from builders import Row, arrears, employers, participants
from hostile import PERSON, Trial, person, table, workbook
from proofs import proves

SET_ASIDE_ROW = 5
"""The row of a spreadsheet after a heading and three good rows."""


def with_cell(column: str, text: str, rows: list[Row]) -> list[Row]:
    """The rows with one cell of the last one changed."""
    return [*rows[:-1], {**rows[-1], column: text}]


def told(trial: Trial, column: str, text: str, rows: list[Row], code: str, *, feed: str = "participants") -> str:
    """The message for a cell that sets its row, the fourth, aside with this code; the other rows load."""
    changed = with_cell(column, text, rows)
    outcome = trial.take_file("data.csv", table(changed), changed, feed=feed)
    assert outcome.state == "accepted_with_rejects"
    assert outcome.rejects == [(SET_ASIDE_ROW, column, code)]
    assert trial.raw("row_no", feed=feed) == [(2,), (3,), (4,)]
    return outcome.said(code)


# ---------------------------------------------------------------------------------------------------- damaged codes


@proves("cells.damaged-id")
@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("si_number", "110000003"),
        ("si_number", "01100000031"),
        ("si_number", "1.00109E+11"),
        ("si_number", "1,00109E+11"),
        ("si_number", "110000003.0"),
        ("personal_id", "1085012345"),
        ("commune_code", "8707"),
    ],
)
def test_a_code_that_lost_its_zeros_or_its_digits_sets_its_row_aside_and_asks_for_text(
    trial: Trial, column: str, text: str
) -> None:
    assert "Restore the column as text" in told(trial, column, text, participants(4), "E-CODE")


@proves("cells.damaged-id")
def test_a_code_that_excel_made_a_number_is_never_padded(trial: Trial) -> None:
    rows = [PERSON, *(person(number) for number in range(3)), person(3, si_number=110_000_003)]
    outcome = trial.take_file("data.xlsx", workbook(rows), rows=4)
    assert outcome.rejects == [(SET_ASIDE_ROW, "si_number", "E-CODE")]
    assert trial.raw("si_number") == [("0110000000",), ("0110000001",), ("0110000002",)]


@proves("cells.damaged-id")
def test_a_whole_column_of_damaged_codes_refuses_the_submission(trial: Trial) -> None:
    rows = [{**row, "si_number": row["si_number"].removeprefix("0")} for row in participants(300)]
    outcome = trial.take_file("data.csv", table(rows), rows)
    assert (outcome.state, outcome.errors) == ("rejected", ["E-TOLERANCE"])
    assert outcome.rejects[0] == (2, "si_number", "E-CODE")
    assert len(outcome.rejects) == 300


@proves("cells.tax-code")
@pytest.mark.parametrize("code", ["0100047517", "0100047517-001"])
def test_a_tax_code_with_a_wrong_check_digit_sets_its_row_aside(trial: Trial, code: str) -> None:
    assert "check digit" in told(trial, "tax_code", code, employers(4), "E-TAX-CODE", feed="employers")


@proves("cells.tax-code")
@pytest.mark.parametrize("code", ["0100047516", "0100047516-001", "001085012345"])
def test_tax_codes_of_10_of_10_and_3_and_of_12_digits_are_taken_as_text(trial: Trial, code: str) -> None:
    rows = with_cell("tax_code", code, employers(4))
    assert trial.take_file("data.csv", table(rows), rows, feed="employers").state == "accepted"
    assert trial.raw("tax_code", feed="employers")[-1] == (code,)


@proves("cells.tax-code")
@pytest.mark.parametrize("code", ["100047516", "01000475160", "0100047516001"])
def test_a_tax_code_of_another_length_sets_its_row_aside(trial: Trial, code: str) -> None:
    told(trial, "tax_code", code, employers(4), "E-CODE", feed="employers")


# ------------------------------------------------------------------------------------------------------------ dates


@proves("cells.dates")
@pytest.mark.parametrize("text", ["31/02/2021", "29/02/2023", "13/13/2021", "2021-02-31", "31108", "02/29/2021"])
def test_a_day_that_never_was_sets_its_row_aside_also_as_an_excel_serial_in_a_csv(trial: Trial, text: str) -> None:
    assert "not a real date" in told(trial, "birth_date", text, participants(4), "E-DATE")


@proves("cells.dates")
@pytest.mark.parametrize(
    ("text", "kept"), [("1985", "1985"), ("29/02/1984", "1984-02-29"), ("02/03/1985", "1985-03-02")]
)
def test_a_birth_is_kept_with_the_precision_it_was_sent_in(trial: Trial, text: str, kept: str) -> None:
    rows = with_cell("birth_date", text, participants(1))
    assert trial.take_file("data.csv", table(rows), rows).state == "accepted"
    assert trial.raw("birth_date") == [(kept,)]


@proves("cells.dates")
def test_an_excel_serial_is_a_day_in_a_workbook_and_a_year_stays_a_year(trial: Trial) -> None:
    rows = [PERSON, person(0, birth_date=31_108), person(1, birth_date=1985), person(2, birth_date="31/02/1985")]
    outcome = trial.take_file("data.xlsx", workbook(rows), rows=3)
    assert outcome.rejects == [(4, "birth_date", "E-DATE")]
    assert trial.raw("birth_date") == [("1985-03-02",), ("1985",)]


# ---------------------------------------------------------------------------------------------------------- amounts


@proves("cells.amounts")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1.234.567", "E-NUMBER"),
        ("1.234.567,5", "E-NUMBER"),
        ("230,0005", "E-NUMBER"),
        ("52%%", "E-NUMBER"),
        ("117,59 tỷ", "E-NUMBER"),
        ("5,000,000", "E-NUMBER"),
        ("5 000 000", "E-NUMBER"),
        ("5e6", "E-NUMBER"),
        ("+5000000", "E-NUMBER"),
        ("(5000000)", "E-NUMBER"),
        ("5000000-", "E-NUMBER"),
        ("-5000000", "E-NEGATIVE"),
        ("5000000.5", "E-FRACTION"),
        ("5.000", "E-FRACTION"),
        ("1000000000000000", "E-RANGE"),
        ("99999999999999999999999", "E-RANGE"),
    ],
)
def test_an_amount_that_is_not_plain_digits_sets_its_row_aside_and_is_not_guessed(
    trial: Trial, text: str, code: str
) -> None:
    rows = with_cell("wage_base_vnd", text, participants(4))
    outcome = trial.take_file("data.csv", table(rows), rows)
    assert outcome.rejects == [(SET_ASIDE_ROW, "wage_base_vnd", code)]
    assert trial.raw("wage_base_vnd") == [(5_000_000,)] * 3


@proves("cells.amounts")
def test_digits_and_a_leading_minus_are_taken_up_to_the_last_dong_below_10_to_the_15(trial: Trial) -> None:
    good = {"payer_kind": "employer", "fund": "HI", "liability_month": "2021-10", "paid_vnd": "0"}
    amounts = ["999999999999999", "-999999999999999", "-1", "0"]
    rows = [{**good, "payer_code": f"TA{n:04d}A", "due_vnd": amount} for n, amount in enumerate(amounts)]
    assert trial.take_file("data.csv", table(rows), rows, feed="contributions").state == "accepted"
    found = trial.raw("due_vnd", feed="contributions")
    assert found == [(999_999_999_999_999,), (-999_999_999_999_999,), (-1,), (0,)]


@proves("cells.amounts")
def test_a_decimal_point_is_taken_only_where_the_unit_comes_to_whole_dong(trial: Trial) -> None:
    rows = [*participants(3), {**participants(4)[-1], "wage_base_vnd": "5.1234567"}]
    rows = [{**row, "wage_base_vnd": "5.123456"} if row["wage_base_vnd"] == "5000000" else row for row in rows]
    declared = {"unit": "million", "totals": {"wage_base_vnd": "15.370368"}}
    outcome = trial.take_file("data.csv", table(rows), rows, **declared)
    assert outcome.rejects == [(SET_ASIDE_ROW, "wage_base_vnd", "E-FRACTION")]
    assert trial.raw("wage_base_vnd") == [(5_123_456,)] * 3


@proves("cells.amounts")
def test_money_that_was_set_aside_is_told_beside_what_was_loaded(trial: Trial) -> None:
    rows = [*participants(3), {**participants(4)[-1], "sex": "?", "wage_base_vnd": "7000000"}]
    outcome = trial.take_file("data.csv", table(rows), rows)
    (feed,) = outcome.told["feeds"]
    assert feed["totals"]["wage_base_vnd"]["parsed"] == 22_000_000
    assert feed["totals"]["wage_base_vnd"]["loaded"] == 15_000_000
    assert feed["set_aside"]["wage_base_vnd"] == 7_000_000


# ------------------------------------------------------------------------------------------------------------- text


@proves("cells.unicode")
def test_decomposed_letters_strange_spaces_and_the_eth_are_put_right_and_counted(trial: Trial) -> None:
    sent = [
        unicodedata.normalize("NFD", "Nguyễn Thị Đượm"),
        "Nguyễn\u00a0Thị Đượm",
        "Nguyễn\u200b Thị\ufeff Đượm",
        "Nguyễn Thị Ðượm",
        "Nguyễn Thị Đượm",
    ]
    rows = [{**row, "full_name": name} for row, name in zip(participants(5), sent, strict=True)]
    outcome = trial.take_file("data.csv", table(rows), rows)
    assert outcome.state == "accepted"
    assert trial.raw("full_name") == [("Nguyễn Thị Đượm",)] * 5
    assert outcome.noted["N-NORMALISED"] == {"count": 4}


@proves("cells.unicode")
def test_a_file_in_the_combining_letters_of_cp1258_loads_composed(trial: Trial) -> None:
    # the code page has the letters with a hook or a circumflex, and the tones as marks of their own
    name = "Nguyê\u0303n Thi\u0323 Đươ\u0323m"
    rows = participants(2, full_name=name)
    outcome = trial.take_file("data.csv", table(rows, encoding="cp1258"), rows, encoding="cp1258")
    assert outcome.state == "accepted"
    assert trial.raw("full_name") == [("Nguyễn Thị Đượm",)] * 2


@proves("cells.legacy-text")
@pytest.mark.parametrize(("text", "legacy"), [("NguyÔn V¨n B¶o", "TCVN3"), ("Nguyeãn Vaên Baûo", "VNI")])
def test_text_in_an_old_encoding_sets_its_row_aside_and_says_how_to_repair_it(
    trial: Trial, text: str, legacy: str
) -> None:
    message = told(trial, "full_name", text, participants(4), "E-LEGACY-TEXT")
    assert f"Convert it from {legacy} to Unicode" in message


@proves("cells.legacy-text")
def test_a_file_of_tcvn3_bytes_is_refused_as_no_utf_8_with_the_repair(trial: Trial) -> None:
    rows = participants(3, full_name="NguyÔn V¨n B¶o")
    outcome = trial.take_file("data.csv", table(rows, encoding="latin-1"), rows)
    assert (outcome.state, outcome.errors) == ("rejected", ["E-ENCODING"])
    assert "TCVN3" in outcome.said("E-ENCODING")


FORMULAS = ["=cmd|' /C calc'!A0", "@x", "-5", "+84912345678"]


@proves("cells.formula-text")
def test_text_that_looks_like_a_formula_is_stored_as_it_is(trial: Trial) -> None:
    rows = [{**row, "full_name": text} for row, text in zip(participants(4), FORMULAS, strict=True)]
    assert trial.take_file("data.csv", table(rows), rows).state == "accepted"
    assert trial.raw("full_name") == [(text,) for text in FORMULAS]


@proves("cells.formula-text")
def test_text_of_a_workbook_that_looks_like_a_formula_is_stored_as_it_is(trial: Trial) -> None:
    rows = [PERSON, *(person(number, text) for number, text in enumerate(FORMULAS))]
    assert trial.take_file("data.xlsx", workbook(rows), rows=4).state == "accepted"
    assert trial.raw("full_name") == [(text,) for text in FORMULAS]


# ------------------------------------------------------------------------------------------------- rows and references


@proves("cells.duplicate-in-file")
def test_of_a_person_and_type_that_stand_more_than_once_the_first_is_kept(trial: Trial) -> None:
    good = participants(500)
    rows = [
        *good,
        {**good[1], "wage_base_vnd": "9000000"},
        {**good[1], "insurance_type": "UI"},
        {**good[1], "full_name": "Nguyễn Thị B"},
    ]
    outcome = trial.take_file("data.csv", table(rows), rows)
    assert outcome.state == "accepted_with_rejects"
    assert outcome.rejects == [(502, "si_number", "E-DUPLICATE"), (504, "si_number", "E-DUPLICATE")]
    assert "row 3" in outcome.said("E-DUPLICATE")
    found = trial.inbox.query(
        "select row_no, insurance_type, wage_base_vnd from raw.participants"
        " where si_number = '0110000001' order by row_no"
    )
    assert found == [(3, "SI_C", 5_000_000), (503, "UI", 5_000_000)]
    assert outcome.told["feeds"][0]["set_aside"]["wage_base_vnd"] == 14_000_000


@proves("cells.duplicate-in-file")
def test_the_copy_of_a_row_that_was_set_aside_is_no_duplicate(trial: Trial) -> None:
    rows = [{**participants(1)[0], "sex": "?"}, *participants(1)]
    outcome = trial.take_file("data.csv", table(rows), rows)
    assert outcome.rejects == [(2, "sex", "E-ENUM")]
    assert trial.raw("row_no") == [(3,)]


def insured(**counts: int) -> list[Row]:
    """Persons by insurance type, with what each type needs; a person of one is a person of the next."""
    return [
        row | {"insurance_type": kind, "hi_group": "DN" if kind == "HI" else ""}
        for kind, count in counts.items()
        for row in map(dict, participants(count))
    ]


@proves("cells.subset-and-references")
def test_more_unemployment_insured_than_compulsorily_insured_are_held_for_a_person_to_decide(trial: Trial) -> None:
    folder = trial.inbox.send({"participants": insured(SI_C=2, UI=3, HI=3)})
    outcome = trial.gate(folder)
    assert (outcome.state, outcome.errors) == ("held", ["E-HELD-SUBSET"])
    assert "UI (3)" in outcome.said("E-HELD-SUBSET")
    assert trial.inbox.query("select count(*) from ops.accepted_load") == [(0,)]


@proves("cells.subset-and-references")
def test_unemployment_insured_within_the_compulsorily_insured_pass_the_gate(trial: Trial) -> None:
    folder = trial.inbox.send({"participants": insured(SI_C=3, UI=3, HI=3)})
    assert trial.gate(folder).state == "accepted"


@proves("cells.subset-and-references")
def test_health_insurance_without_its_group_sets_the_row_aside(trial: Trial) -> None:
    rows = [*insured(HI=3), {**insured(HI=4)[-1], "hi_group": ""}]
    outcome = trial.take_file("data.csv", table(rows), rows)
    assert outcome.rejects == [(SET_ASIDE_ROW, "hi_group", "E-REQUIRED")]


@proves("cells.subset-and-references")
def test_a_unit_that_employers_does_not_know_waits_unresolved_and_is_not_dropped(trial: Trial) -> None:
    folder = trial.inbox.send({"employers": employers(1), "arrears": arrears(3)})
    outcome = trial.gate(folder)
    assert (outcome.state, outcome.rejects) == ("accepted", [])
    assert trial.raw("si_unit_code", feed="arrears") == [("TA0000A",), ("TA0001A",), ("TA0002A",)]


@proves("cells.control-total")
def test_a_total_of_many_decimals_is_compared_to_the_last_dong(trial: Trial) -> None:
    rows = participants(3, wage_base_vnd="0.000000001")
    declared = {"unit": "billion", "totals": {"wage_base_vnd": "0.000000004"}}
    outcome = trial.take_file("data.csv", table(rows), rows, **declared)
    assert (outcome.state, outcome.errors) == ("rejected", ["E-TOTAL"])
    assert "declared 4" in outcome.said("E-TOTAL")
    assert "difference -1" in outcome.said("E-TOTAL")
