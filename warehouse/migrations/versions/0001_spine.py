"""The ledger, builds, publication, the identified zone, and the rooms of dbt and the publisher."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    script = Path(__file__).resolve().parent.parent / "sql" / "0001_spine.sql"
    op.get_bind().exec_driver_sql(script.read_text(encoding="utf-8").replace("%", "%%"))
