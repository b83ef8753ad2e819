"""Sender keys, security events, heartbeats of loaders, tokens of set-aside rows, notices to senders."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    script = Path(__file__).resolve().parent.parent / "sql" / "0002_hostile_inbox.sql"
    op.get_bind().exec_driver_sql(script.read_text(encoding="utf-8").replace("%", "%%"))
