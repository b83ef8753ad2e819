"""Settings: the environment (`VSS_*`) or `.env`, read here and nowhere else."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
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
    alert_smtp_url: SecretStr | None = Field(default=None, description="smtp[s]://user:password@host:port")
    alert_from: str | None = Field(default=None, description="the address e-mails come from")
    alert_to: str | None = Field(default=None, description="addresses of operations, with commas between them")
    alert_contacts: Path | None = Field(default=None, description="CSV with the columns sender and email")
    alert_webhook: SecretStr | None = Field(default=None, description="an address that takes JSON by POST")
    night_grace_minutes: int = Field(default=30, ge=0, le=300, description="after 01:00, before a night is missed")
    remind_days_before: int = Field(default=2, ge=0, le=28, description="the first reminder, before what is due")
    remind_months: int = Field(default=3, ge=1, le=120, description="months back for which reminders go out")

    metrics_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+/\S*$",
        description="OpenTelemetry collector for Airflow's metrics, such as http://127.0.0.1:4318/v1/metrics",
    )

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
        object.__setattr__(self, "archive", _absolute(self.archive) if self.archive else (home / "archive").as_uri())
        if self.database_url is not None and not _is_complete(self.database_url):
            raise ValueError("VSS_DATABASE_URL must look like postgresql://user:password@host:port/database")
        if self.alert_contacts is not None:
            object.__setattr__(self, "alert_contacts", self.alert_contacts.expanduser().absolute())
        if self.alert_smtp_url is not None:
            if not _is_place(self.alert_smtp_url.get_secret_value(), {"smtp", "smtps"}):
                raise ValueError("VSS_ALERT_SMTP_URL must look like smtp://user:password@host:port, or smtps://…")
            if self.alert_from is None or self.alert_to is None:
                raise ValueError("VSS_ALERT_SMTP_URL needs VSS_ALERT_FROM and VSS_ALERT_TO beside it")
        for name, given in (("FROM", self.alert_from), ("TO", self.alert_to)):
            if given is not None and not all(is_address(each.strip()) for each in given.split(",")):
                raise ValueError(f"VSS_ALERT_{name} must hold e-mail addresses")
        if self.alert_webhook is not None and not _is_place(self.alert_webhook.get_secret_value(), {"http", "https"}):
            raise ValueError("VSS_ALERT_WEBHOOK must look like https://host/path")
        return self

    @property
    def is_embedded(self) -> bool:
        return self.database_url is None


def is_address(text: str) -> bool:
    """Whether a text is an e-mail address and nothing else: a line break would begin another header."""
    return text.isascii() and re.fullmatch(r"[^\s@,;<>\"()]+@[A-Za-z0-9.-]+", text) is not None


def _absolute(archive: str) -> str:
    """A folder by its whole path, whether it was given as a path or as file://…; any other URL as it is."""
    scheme, mark, path = archive.rpartition("://")
    return archive if scheme not in ("", "file") else f"{scheme}{mark}{Path(path).expanduser().absolute()}"


def _is_place(url: str, schemes: set[str]) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return False
    return has_port and parts.scheme in schemes and bool(parts.hostname) and url.isprintable() and " " not in url


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
