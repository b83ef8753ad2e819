"""Publications that are no longer kept, what a flip makes of each load, and DDL without a queue behind it."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    script = Path(__file__).resolve().parent.parent / "sql" / "0004_retention.sql"
    op.get_bind().exec_driver_sql(script.read_text(encoding="utf-8").replace("%", "%%"))
