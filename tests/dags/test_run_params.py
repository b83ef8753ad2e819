"""What a run may be told: a date of today or before."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from zoneinfo import ZoneInfo

from parsing import lines

# Airflow is imported in a process of its own: it reads its settings and its home when it is
ASK = """
import json, sys
from airflow.sdk.exceptions import AirflowFailException
from dags import run_params
for date in sys.argv[1:]:
    params = {"run_id": "tried", "inbox": None, "date": date or None}
    run_params.get_current_context = lambda: {"params": params}
    try:
        print(json.dumps(run_params.given_params(not_later_than_today=True)["date"]))
    except AirflowFailException as error:
        print(json.dumps(str(error)))
"""


def test_a_date_in_the_future_is_refused_and_never_tried_again(tmp_path: Path) -> None:
    today = dt.datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()
    future = today + dt.timedelta(days=2)
    printed = lines(ASK, tmp_path, f"{today}", "2021-10-31", "", f"{future}", "2099-01-01")
    said = [json.loads(line) for line in printed[-5:]]
    assert said[:3] == [f"{today}", "2021-10-31", None]
    for date, words in zip((f"{future}", "2099-01-01"), said[3:], strict=True):
        assert words.startswith(f"The date {date} is in the future: take ")
