"""A process that loads one folder and ends: what `ingest-memory` measures. Arguments: VSS_HOME, the folder.

Prints JSON with the peak of its own resident memory.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.processes import largest_kb
from benchmarks.stopwatch import lap
from benchmarks.workplace import warehouse_at
from ingestion.inbox import read_folder
from ingestion.load import load_submission


def main(home: str, folder: str) -> None:
    """Load the folder into the warehouse of `home`."""
    with lap() as measured:
        loaded = load_submission(warehouse_at(Path(home)), read_folder(Path(folder)))
    print(json.dumps({**asdict(loaded), "seconds": measured.seconds, "peak_kb": largest_kb(os.getpid())}))


if __name__ == "__main__":
    main(*sys.argv[1:])
