"""Settings: the environment (`VSS_*`) or `.env`, read here and nowhere else."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from warehouse.errors import UsageError

PROJECT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """What a run can be told. Paths are made absolute; everything a run leaves behind is under `home`."""

    model_config = SettingsConfigDict(env_prefix="VSS_", env_file=PROJECT / ".env", extra="ignore", frozen=True)

    database_url: str | None = Field(
        default=None, description="any PostgreSQL >= 16; without it the embedded server is used"
    )
    home: Path = PROJECT / "var"
    inbox: Path | None = None
    outbox: Path | None = None
    archive: str | None = Field(default=None, description="any fsspec URL")
    port: int | None = Field(default=None, ge=1024, le=65535, description="port of the embedded server")
    airflow_port: int | None = Field(default=None, ge=1024, le=65535, description="port of Airflow's pages")
    pages_port: int | None = Field(default=None, ge=1024, le=65535, description="port of report and gate results")
    require_signatures: bool = False
    lineage: bool = Field(default=True, description="write OpenLineage events under VSS_HOME/lineage")
    lineage_days: int = Field(default=400, ge=1, description="a run's events are kept for so many days")

    @model_validator(mode="before")
    @classmethod
    def _blank_is_unset(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value != ""}

    @model_validator(mode="after")
    def _derived_paths(self) -> Settings:
        home = self.home.expanduser().absolute()
        object.__setattr__(self, "home", home)
        object.__setattr__(self, "inbox", (self.inbox or home / "inbox").expanduser().absolute())
        object.__setattr__(self, "outbox", (self.outbox or home / "outbox").expanduser().absolute())
        object.__setattr__(self, "archive", self.archive or (home / "archive").as_uri())
        if self.database_url is not None and not _is_complete(self.database_url):
            raise ValueError("VSS_DATABASE_URL must look like postgresql://user:password@host:port/database")
        return self

    @property
    def is_embedded(self) -> bool:
        return self.database_url is None


def _is_complete(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return False
    return has_port and parts.scheme in {"postgresql", "postgres"} and bool(parts.hostname and parts.path.strip("/"))


@functools.cache
def settings() -> Settings:
    """The settings of this process. Raises UsageError with the first setting that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "".join(f"VSS_{str(part).upper()}: " for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"A setting is wrong: {name}{message}. Correct it in the environment or in .env.") from None
