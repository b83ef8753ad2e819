"""What Superset is told: where it keeps its own things, as whom it reads the warehouse, and what it may not do.

Everything of its own lies under VSS_HOME/superset, its secrets under VSS_HOME/secrets; nothing is sent anywhere.
It reads `bi` as one of the warehouse's readers and keeps no password of theirs: the file `superset_readers.json`
among the secrets has their URLs, and is read for each connection.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from superset.security import SupersetSecurityManager  # type: ignore[import-not-found] # an environment of its own

_HOME = Path(os.environ["VSS_HOME"])
_FOLDER = _HOME / "superset"
_READERS = _HOME / "secrets" / "superset_readers.json"
_COUNTRY = "vss_reader"
# the bundle names no server: this host stands for the warehouse, wherever it is
_WAREHOUSE = "warehouse"

APP_NAME = "VSS Warehouse"
SECRET_KEY = (_HOME / "secrets" / "superset_key").read_text(encoding="utf-8").strip()
SQLALCHEMY_DATABASE_URI = f"sqlite:///{_FOLDER / 'superset.db'}?timeout=30"

# small answers, kept for five minutes, apart for each user: two users may be two readers
ROW_LIMIT = 5_000
SQL_MAX_ROW = 50_000
SAMPLES_ROW_LIMIT = 100
FILTER_SELECT_ROW_LIMIT = 1_000
NATIVE_FILTER_DEFAULT_ROW_LIMIT = 500
SUPERSET_WEBSERVER_TIMEOUT = 60
_SECONDS = 300
CACHE_DEFAULT_TIMEOUT = _SECONDS
CACHE_CONFIG = {
    "CACHE_TYPE": "FileSystemCache",
    "CACHE_DIR": str(_FOLDER / "cache"),
    "CACHE_THRESHOLD": 5_000,
    "CACHE_DEFAULT_TIMEOUT": _SECONDS,
}
DATA_CACHE_CONFIG = CACHE_CONFIG

FEATURE_FLAGS = {
    "CACHE_QUERY_BY_USER": True,
    "ALERT_REPORTS": False,
    "ALLOW_ADHOC_SUBQUERY": False,
    "ALLOW_FULL_CSV_EXPORT": False,
    "EMBEDDED_SUPERSET": False,
    "ENABLE_TEMPLATE_PROCESSING": False,
    "THUMBNAILS": False,
}

# pages load nothing from elsewhere: Superset's own pages have a pixel that counts visits, and this keeps it out
_HERE = ["'self'"]
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": _HERE,
        "default-src": _HERE,
        "img-src": [*_HERE, "blob:", "data:"],
        "worker-src": [*_HERE, "blob:"],
        "connect-src": _HERE,
        "object-src": "'none'",
        "style-src": [*_HERE, "'unsafe-inline'"],
        "font-src": [*_HERE, "data:"],
        "script-src": [*_HERE, "'strict-dynamic'"],
        "frame-ancestors": _HERE,
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}
THEME_FONT_URL_ALLOWED_DOMAINS: list[str] = []

# cookies do not know ports: Airflow's pages on the same address have a cookie called session
SESSION_COOKIE_NAME = "vss_dashboards"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
PERMANENT_SESSION_LIFETIME = timedelta(hours=10)
WTF_CSRF_ENABLED = True
AUTH_ROLE_PUBLIC = ""
AUTH_USER_REGISTRATION = False

# functions with which an expression of a chart could run a query of its own, or read what is no figure
DISALLOWED_SQL_FUNCTIONS = {
    "postgresql": {
        "current_setting", "set_config", "current_user", "session_user", "current_database", "current_schema",
        "version", "inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port", "pg_sleep",
        "pg_terminate_backend", "pg_read_file", "pg_read_binary_file", "pg_ls_dir", "query_to_xml",
        "query_to_xmlschema", "query_to_xml_and_xmlschema", "table_to_xml", "table_to_xmlschema",
        "table_to_xml_and_xmlschema", "schema_to_xml", "schema_to_xmlschema", "schema_to_xml_and_xmlschema",
        "cursor_to_xml", "database_to_xml", "database_to_xmlschema", "database_to_xml_and_xmlschema", "ts_stat",
    },
}  # fmt: skip


def readers() -> dict[str, str]:
    """The warehouse's readers and their URLs, as `vss dashboards` wrote them last."""
    found: dict[str, str] = json.loads(_READERS.read_text(encoding="utf-8"))
    return found


class Readers(SupersetSecurityManager):  # type: ignore[misc] # the library has no types
    """Roles named after the warehouse's readers: who has one sees and makes charts with that reader's eyes."""

    def sync_role_definitions(self) -> None:
        """Superset's own roles, and one for each reader (`superset init` runs this)."""
        super().sync_role_definitions()
        known = self._get_all_pvms()
        for reader in readers():
            self.set_role(reader, self._is_readers, known)

    def _is_readers(self, permission: Any) -> bool:
        return bool(self._is_gamma_pvm(permission)) or permission.permission.name == "all_datasource_access"


CUSTOM_SECURITY_MANAGER = Readers


def reader_of(roles: set[str], known: set[str]) -> str:
    """The one reader of the warehouse that somebody with these roles of Superset is; Admin is that of the country.

    Raises PermissionError for nobody's reader, and for two: which of them was meant must not be guessed.
    """
    found = roles & known or ({_COUNTRY} if "Admin" in roles else set())
    if len(found) != 1:
        raise PermissionError("This login needs exactly one role vss_reader or vss_reader_<province>.")
    return found.pop()


def _connect_as_reader(
    url: Any, parameters: dict[str, Any], username: str | None, security_manager: Any, _source: Any
) -> tuple[Any, dict[str, Any]]:
    """Put the reader's server and password into the bundle's URL, for reading only, a minute a query at most."""
    if url.host != _WAREHOUSE:
        return url, parameters
    urls = readers()
    if username is None and os.environ.get("VSS_SUPERSET_IMPORT") == "1":
        reader = _COUNTRY
    elif username is None:
        raise PermissionError("Nobody is logged in.")
    else:
        reader = reader_of({role.name for role in security_manager.get_user_roles()}, set(urls))
    parameters.setdefault("connect_args", {}).update(
        application_name="vss dashboards",
        connect_timeout=10,
        options="-c default_transaction_read_only=on -c statement_timeout=60s",
    )
    return make_url(urls[reader]).set(drivername="postgresql+psycopg2"), parameters


DB_CONNECTION_MUTATOR = _connect_as_reader
