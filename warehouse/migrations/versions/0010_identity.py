"""The way back from a pseudonym to a person: for a case, on record before anything is seen; and erasure."""

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    script = Path(__file__).resolve().parent.parent / "sql" / "0010_identity.sql"
    op.get_bind().exec_driver_sql(script.read_text(encoding="utf-8").replace("%", "%%"))
