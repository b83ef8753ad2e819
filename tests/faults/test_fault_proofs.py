"""The page of faults is complete, and says what the tests say."""

from __future__ import annotations

import pytest
from proofs import PAGE, Fault, Proof, faults, page, proofs, proofs_of, unknown, unproved

from ingestion.codes import CATALOGUE


def test_every_fault_of_an_inbox_is_proved_by_a_test() -> None:
    assert unproved(faults(), proofs()) == []


def test_no_test_claims_a_fault_that_is_in_no_table() -> None:
    assert unknown(faults(), proofs()) == {}


def test_the_page_of_faults_is_what_the_tests_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(faults(), proofs()), "run `make docs`"


def test_every_code_a_proof_names_is_in_the_catalogue() -> None:
    assert {code for proof in proofs() for code in proof.codes} - set(CATALOGUE) == set()


def test_keys_are_unique_and_begin_with_their_section() -> None:
    keys = [fault.key for fault in faults()]
    assert len(set(keys)) == len(keys) > 40
    assert [fault.key for fault in faults() if not fault.section.lower().startswith(fault.key.split(".")[0])] == []


def test_a_proof_is_a_decorated_test_with_its_sentence_and_its_codes() -> None:
    source = (
        '@proves("order.void", "cells.dates")\ndef test_a_void_counts(x):\n    assert x == ["E-DATE", "no E-CODE"]\n'
        "def test_another():\n    pass\n"
    )
    (proof,) = proofs_of(source, "tests/test_x.py")
    assert proof == Proof("tests/test_x.py", "test_a_void_counts", ("order.void", "cells.dates"), ("E-DATE",))
    assert proof.sentence == "A void counts"


def test_a_key_that_is_not_written_out_is_refused() -> None:
    with pytest.raises(ValueError, match=r"test_x\.py::test_a"):
        list(proofs_of("@proves(*KEYS)\ndef test_a():\n    pass\n", "test_x.py"))


def test_a_row_without_a_proof_is_an_error_here_and_open_elsewhere() -> None:
    inside, outside = Fault("cells.dates", "Cells", "a", "b"), Fault("access.roles", "Access", "a", "b")
    assert unproved([inside, outside], []) == ["cells.dates"]
    assert page([outside], []).count("open") == 1
    proof = Proof("tests/test_x.py", "test_a_day", ("cells.dates", "cells.days"), ())
    assert unproved([inside], [proof]) == []
    assert unknown([inside], [proof]) == {"cells.days": "tests/test_x.py::test_a_day"}
