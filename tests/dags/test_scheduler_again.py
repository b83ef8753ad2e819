"""What a scheduler may do to a night at any time, tried on its steps alone: batches of a country, and steps done again.

The same under a scheduler that runs, with models and gates, is `test_scheduler_nights` (marker long).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import invariant
import pytest
from builders import Inbox
from invariant import everything
from review_builders import published, review_room
from scheduler import a_province, at_home, codes, received

from ingestion.receipts import write_outbox
from night import dbt_runs, tasks
from night.journal import outcomes

NIGHT = {"run_id": "again", "date": "2025-04-04"}
ORDERS = 20


def arrive(inbox: Inbox, *provinces: str) -> None:
    for code in provinces:
        inbox.send(
            a_province(code), sender=f"province-{code}", period="2025-03",
            received_at=received("2025-04-03T08:00:00"),
        )  # fmt: skip


@pytest.fixture
def finished(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """Two submissions that were loaded, published by a project without models, and told so."""
    arrive(inbox, "01", "02")
    monkeypatch.setattr(dbt_runs, "project_hash", lambda: "rules")
    # a project without models shows nothing
    monkeypatch.setattr(invariant, "seen", lambda _: {})
    with review_room(inbox.settings), at_home(inbox.settings):
        (batch,) = tasks.discover(inbox=str(inbox.root), **NIGHT)
        assert tasks.load_and_gate(batch, inbox=None, **NIGHT) == {"accepted": 2}
        published(inbox.settings)
        for folder in batch:
            write_outbox(inbox.settings, Path(folder).name)
        yield inbox


def test_each_of_63_senders_is_in_exactly_one_batch_and_a_batch_holds_eight() -> None:
    country = [Path("inbox") / f"province-{code}" / f"{code}-{number}" for code in codes() for number in (1, 2)]

    batches = tasks.in_batches(country)

    assert sorted(folder for batch in batches for folder in batch) == sorted(map(str, country))
    assert {len(batch) for batch in batches} == {8, 6}
    senders = [{Path(folder).parent.name for folder in batch} for batch in batches]
    assert sum(map(len, senders)) == len(set.union(*senders)) == 63


def test_the_steps_of_a_night_that_is_over_change_nothing_in_whatever_order_they_are_taken_again(
    finished: Inbox,
) -> None:
    before = everything(finished.settings)
    told = {"inbox": str(finished.root), **NIGHT}
    folders = [str(path) for path in sorted(finished.root.glob("*/*"))]
    steps = {
        "discover": lambda: tasks.discover(**told) == [],
        "first batch": lambda: tasks.load_and_gate(folders[:1], **told) == {"accepted": 1},
        "second batch": lambda: tasks.load_and_gate(folders[1:], **told) == {"accepted": 1},
        "build": lambda: tasks.build(**told) is None,
        "audit": lambda: tasks.audit(**told) is False,
        "publish": lambda: tasks.publish(**told) is None,
    }
    chance = random.Random(8)  # noqa: S311 - the same orders in every run

    for _ in range(ORDERS):
        order = chance.sample(list(steps), len(steps))
        assert [step for step in order if not steps[step]()] == [], order

    assert everything(finished.settings) == before
    assert {outcome for _, _, outcome, *_ in outcomes(finished.settings, "again")} == {
        "done", "accepted", "loaded", "nothing to do"
    }  # fmt: skip
