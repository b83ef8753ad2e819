"""Reading OpenLineage events, and what the specification requires of each (OpenLineage.json 2-0-2, by hand)."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Event = dict[str, Any]
STATES = {"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"}


def events_of(home: Path) -> list[Event]:
    """All events of the only file of lineage under a VSS_HOME, in the order written."""
    (file,) = (home / "lineage").glob("*.ndjson")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def assert_valid(events: list[Event]) -> None:
    """Each event and facet has what the specification requires, and each run one START and one end."""
    states = defaultdict(list)
    for event in events:
        assert event["eventType"] in STATES
        assert dt.datetime.fromisoformat(event["eventTime"]).tzinfo is not None
        assert urlsplit(event["producer"]).scheme
        assert event["schemaURL"].startswith("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent")
        uuid.UUID(event["run"]["runId"])
        assert event["job"]["namespace"] == "vss"
        assert event["job"]["name"]
        datasets = [*event.get("inputs", []), *event.get("outputs", [])]
        assert all(dataset["namespace"] and dataset["name"] for dataset in datasets)
        for part in (event["run"], event["job"], *datasets):
            for kind in ("facets", "inputFacets", "outputFacets"):
                for facet in part.get(kind, {}).values():
                    assert urlsplit(facet["_producer"]).scheme
                    assert urlsplit(facet["_schemaURL"]).scheme == "https"
        states[event["run"]["runId"], event["job"]["name"]].append(event["eventType"])
    wrong = {run: seen for run, seen in states.items() if len(seen) != 2 or seen[0] != "START" or seen[1] == "START"}
    assert wrong == {}
