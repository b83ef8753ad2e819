"""Decisions of persons on similar pairs of tax code and unit, which of them each build reads, and trigrams."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    script = Path(__file__).resolve().parent.parent / "sql" / "0003_tax_review.sql"
    op.get_bind().exec_driver_sql(script.read_text(encoding="utf-8").replace("%", "%%"))
