"""From a figure to its cell: how each relation is traced, who signed, and the functions of bi that lead to a file."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    script = Path(__file__).resolve().parent.parent / "sql" / "0005_trace.sql"
    op.get_bind().exec_driver_sql(script.read_text(encoding="utf-8").replace("%", "%%"))
