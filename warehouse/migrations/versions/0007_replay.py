"""Rejected submissions that are loaded again, and ranges that are made anew because somebody asked for it."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    script = Path(__file__).resolve().parent.parent / "sql" / "0007_replay.sql"
    op.get_bind().exec_driver_sql(script.read_text(encoding="utf-8").replace("%", "%%"))
