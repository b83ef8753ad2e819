"""`python -m expectations NAME SUBJECT`: run a checkpoint by its name. Exit codes are those of `vss`."""

from __future__ import annotations

import argparse
import sys

from expectations.checkpoints import CHECKPOINTS, run
from warehouse.errors import VssError
from warehouse.settings import settings


def main() -> int:
    """Run the checkpoint and print what it found; 5 when it did not pass."""
    parser = argparse.ArgumentParser(prog="python -m expectations")
    parser.add_argument("name", choices=CHECKPOINTS)
    parser.add_argument("subject", help="a submission's id, or a build's number")
    arguments = parser.parse_args()
    passed, findings = run(settings(), arguments.name, arguments.subject)
    for finding in findings:
        print(f"{finding.code} {finding.feed or ''} {finding.expectation}: {dict(finding.args)}")
    print("passed" if passed else "not passed")
    return 0 if passed else 5


if __name__ == "__main__":
    try:
        sys.exit(main())
    except VssError as error:
        print(f"vss: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
