"""Whose name goes on record with a decision."""

from __future__ import annotations

import os
import pwd

from warehouse.errors import UsageError


def who_decides(by: str | None) -> str:
    """`by`, else the system user. Raises UsageError where that user has no name, as in some containers."""
    if by is not None:
        return by
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise UsageError("The system user has no name here: say who decides with --by.") from None
