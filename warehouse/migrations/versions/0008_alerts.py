"""What people were told about runs and senders, once, and by which channel it reached them."""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    script = Path(__file__).resolve().parent.parent / "sql" / "0008_alerts.sql"
    op.get_bind().exec_driver_sql(script.read_text(encoding="utf-8").replace("%", "%%"))
