"""What a stage of a run moved: sender, rows set aside, bytes."""

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    script = Path(__file__).resolve().parent.parent / "sql" / "0009_stage_metrics.sql"
    op.get_bind().exec_driver_sql(script.read_text(encoding="utf-8").replace("%", "%%"))
