"""What dbt sees of persons: a household business is its owner, whatever its tax code looks like."""

from __future__ import annotations

from builders import Inbox

from warehouse import roles


def test_a_household_business_has_no_name_and_no_address_on_the_tax_side(inbox: Inbox) -> None:
    inbox.accept(
        inbox.send(
            {
                "tax_employers": [
                    _listed("0100047516", "Hộ kinh doanh Nguyễn Thị Hoa"),
                    _listed("001185000001", "Cửa hàng Nguyễn Thị Hoa"),
                    _listed("0100047516-001", "Công ty TNHH Hộ Pháp"),
                ]
            },
            sender="tax",
            period="2022-03",
        )
    )

    rows = inbox.query(
        "select tax_code, name, address from raw.tax_employer_pseudonym order by row_no", roles.TRANSFORMER
    )

    assert [(str(code)[:2], address) for code, _, address in rows] == [("01", None), ("P-", None), ("01", "Ngõ 5")]
    assert not any("Hoa" in str(name) for _, name, _ in rows[:2])
    assert rows[2][1] == "Công ty TNHH Hộ Pháp"


def _listed(tax_code: str, name: str) -> dict[str, str]:
    return {
        "tax_year": "2021", "tax_code": tax_code, "supplement_no": "0", "name": name, "status": "operating",
        "employees_paid": "3", "address": "Ngõ 5",
    }  # fmt: skip
