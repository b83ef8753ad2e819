"""Which rows a role may ever see: a policy of each table of marts that bi shows."""

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    script = Path(__file__).resolve().parent.parent / "sql" / "0011_row_policies.sql"
    op.get_bind().exec_driver_sql(script.read_text(encoding="utf-8").replace("%", "%%"))
