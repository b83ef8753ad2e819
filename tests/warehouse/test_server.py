"""The embedded server of a VSS_HOME: it starts, comes back, keeps to itself, and says what is wrong."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from builders import end, stop_and_remove

from warehouse import connection, roles, server
from warehouse.airflow_metadata import metadata_url
from warehouse.errors import UnreachableError, UsageError, VssError
from warehouse.settings import Settings

SENTENCE = re.compile(r"[A-Z][^\n]*[a-z0-9)]\.")


def settings_of(home: Path, port: int | None = None) -> Settings:
    return Settings(home=home, port=port)


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as database:
        cursor = database.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of 127.0.0.1 that another program listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_it_starts_survives_a_second_call_and_keeps_its_data_over_a_restart(home: Path) -> None:
    settings = settings_of(home)
    url = server.ensure_running(settings)
    ask(url, "create table kept as select 42 as answer")
    assert server.ensure_running(settings) == url
    assert server.stop(settings) is True
    assert server.stop(settings) is False
    assert server.ensure_running(settings) == url
    assert ask(url, "select answer from kept") == [(42,)]


def test_it_comes_back_after_it_was_killed(home: Path) -> None:
    settings = settings_of(home)
    url = server.ensure_running(settings)
    ask(url, "create table kept as select 42 as answer")
    pid = int((home / "postgres" / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
    end(pid, signal.SIGKILL)
    assert server.ensure_running(settings) == url
    assert ask(url, "select answer from kept") == [(42,)]


def test_a_pid_file_of_a_power_cut_that_names_a_stranger_is_no_obstacle(home: Path) -> None:
    settings = settings_of(home)
    url = server.ensure_running(settings)
    pid_file = home / "postgres" / "data" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    server.stop(settings)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    assert server.ensure_running(settings) == url
    assert ask(url, "select 1") == [(1,)]


def test_many_verbs_at_once_start_one_server(home: Path) -> None:
    settings = settings_of(home)
    with ThreadPoolExecutor(4) as pool:
        urls = set(pool.map(lambda _: server.ensure_running(settings), range(4)))
    assert len(urls) == 1
    assert ask(urls.pop(), "select 1") == [(1,)]


def test_two_homes_run_at_once_on_ports_of_their_own(home: Path, configured: Settings) -> None:
    other = server.ensure_running(settings_of(home))
    first = server.ensure_running(configured)
    places = {
        ask(url, "select current_setting('data_directory'), current_setting('port')")[0] for url in (first, other)
    }
    assert len({place[0] for place in places}) == len({place[1] for place in places}) == 2


def test_a_data_directory_that_was_left_half_made_is_made_again(home: Path) -> None:
    part = home / "postgres" / "data.part"
    part.mkdir(parents=True)
    (part / "half").write_text("made")
    without_version = home / "postgres" / "data"
    without_version.mkdir()
    (without_version / "postgresql.conf").write_text("nonsense")
    assert ask(server.ensure_running(settings_of(home)), "select 1") == [(1,)]
    assert not part.exists()


def test_a_busy_port_is_one_sentence_that_says_what_to_do(home: Path, listener: int) -> None:
    with pytest.raises(UnreachableError, match=SENTENCE) as raised:
        server.ensure_running(settings_of(home, port=listener))
    assert str(listener) in str(raised.value)
    assert "VSS_PORT" in str(raised.value)
    assert raised.value.exit_code == 4


def test_a_port_that_became_busy_can_be_changed_by_the_setting(home: Path) -> None:
    settings = settings_of(home)
    server.ensure_running(settings)
    server.stop(settings)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = server.ensure_running(settings_of(home, port=port))
    assert f":{port}/" in url
    assert server.ensure_running(settings) == url


def test_an_unwritable_home_is_wrong_usage(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("not a folder")
    with pytest.raises(UsageError, match="choose another folder"):
        server.ensure_running(settings_of(occupied / "home"))


def test_stopping_in_a_home_that_does_not_exist_makes_none(tmp_path: Path) -> None:
    assert server.stop(settings_of(tmp_path / "nowhere")) is False
    assert not (tmp_path / "nowhere").exists()


def test_a_home_that_other_users_cannot_enter_works_and_can_be_thrown_away_and_made_again(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    settings = settings_of(closed / "home")
    try:
        server.ensure_running(settings)
        server.stop(settings)
        shutil.rmtree(settings.home)
        assert ask(server.ensure_running(settings), "select 1") == [(1,)]
    finally:
        stop_and_remove(settings)


def test_folders_above_the_home_keep_their_modes(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    settings = settings_of(closed / "home")
    try:
        server.ensure_running(settings)
        assert mode(closed) == "0o700"
    finally:
        stop_and_remove(settings)


def test_everybody_needs_a_password(configured: Settings) -> None:
    rules = (configured.home / "postgres" / "data" / "pg_hba.conf").read_text()
    methods = {line.split()[-1] for line in rules.splitlines() if line.strip() and not line.startswith("#")}
    assert methods == {"scram-sha-256"}
    url = server.ensure_running(configured)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(re.sub(r":[^:@/]+@", ":wrong@", url))


def test_it_listens_on_this_machine_only_and_on_no_socket_file(configured: Settings) -> None:
    url = server.ensure_running(configured)
    assert ask(url, "select current_setting('listen_addresses'), current_setting('unix_socket_directories')") == [
        ("127.0.0.1", "")
    ]
    port = int(re.findall(r":(\d+)/", url)[0])
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].rpartition(":")[2], 16) == port
    ]
    assert listening == [f"0100007F:{port:04X}"]


def test_secrets_are_for_their_owner_only_and_no_password_file_is_left(configured: Settings) -> None:
    metadata_url(configured)
    secrets = configured.home / "secrets"
    assert mode(secrets) == "0o700"
    assert {mode(path) for path in secrets.iterdir()} == {"0o600"}
    assert mode(configured.home / "server.json") == "0o600"
    assert list(configured.home.rglob("password.part")) == []


def test_no_secret_stands_in_a_log_or_a_file_that_others_may_read(configured: Settings) -> None:
    words = [path.read_text() for path in (configured.home / "secrets").iterdir()]
    texts = [path.read_text(errors="ignore") for path in (configured.home / "postgres").glob("*.log")]
    assert texts
    assert [word for word in words if any(word in text for text in texts)] == []


def test_the_data_directory_is_closed_to_others(configured: Settings) -> None:
    assert mode(configured.home / "postgres" / "data") == "0o700"


def test_an_unreachable_database_is_one_sentence(tmp_path: Path) -> None:
    away = Settings(home=tmp_path, database_url="postgresql://somebody:secret@127.0.0.1:1/vss")
    with pytest.raises(UnreachableError, match=SENTENCE) as raised:
        connection.connect(away, roles.LOADER)
    assert "127.0.0.1:1" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert raised.value.exit_code == 4


@pytest.mark.parametrize(
    "value",
    [
        "postgresql:///vss",
        "postgresql://user@/vss",
        "postgresql://host",
        "postgresql://host/",
        "mysql://user@host/vss",
        "host/vss",
        "postgresql://user:secret@host:99999/vss",
        "postgresql://user:secret@host:port/vss",
    ],
)
def test_a_database_url_that_cannot_be_right_is_wrong_usage(
    value: str, fresh_settings: Callable[..., Settings]
) -> None:
    with pytest.raises(UsageError, match="VSS_DATABASE_URL") as raised:
        fresh_settings(VSS_DATABASE_URL=value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"), [("VSS_PORT", "http"), ("VSS_PORT", "80"), ("VSS_REQUIRE_SIGNATURES", "perhaps")]
)
def test_a_setting_that_cannot_be_read_is_wrong_usage(
    name: str, value: str, fresh_settings: Callable[..., Settings]
) -> None:
    with pytest.raises(UsageError, match=name) as raised:
        fresh_settings(**{name: value})
    assert raised.value.exit_code == 2


def test_a_setting_that_is_blank_is_not_set(fresh_settings: Callable[..., Settings], tmp_path: Path) -> None:
    found = fresh_settings(VSS_HOME=str(tmp_path), VSS_DATABASE_URL="", VSS_INBOX="", VSS_PORT="")
    assert (found.is_embedded, found.inbox, found.port) == (True, tmp_path / "inbox", None)


def test_relative_paths_are_made_absolute(fresh_settings: Callable[..., Settings]) -> None:
    found = fresh_settings(VSS_HOME="some/home", VSS_INBOX="elsewhere")
    assert (found.home, found.inbox) == (Path.cwd() / "some" / "home", Path.cwd() / "elsewhere")
    assert found.archive == (Path.cwd() / "some" / "home" / "archive").as_uri()


@pytest.fixture
def fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """The settings of a process with this environment."""
    from warehouse.settings import settings

    def read(**environment: str) -> Settings:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return settings.__wrapped__()

    return read


def test_every_error_that_is_shown_is_a_vss_error_with_a_documented_exit_code() -> None:
    kinds = {VssError, *VssError.__subclasses__()}
    assert {kind.exit_code for kind in kinds} <= {1, 2, 4, 5}


def test_a_server_that_is_stopped_leaves_no_process(home: Path) -> None:
    settings = settings_of(home)
    server.ensure_running(settings)
    server.stop(settings)
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(home) not in running
