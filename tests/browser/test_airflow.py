"""Airflow's own pages as a person sees them: the way in, and the page of the night. Needs Chromium; about two minutes,
most of them `vss up`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import new_home, stop_and_remove
from chromium import PROGRAM, Page
from chromium import page as browser_page

from benchmarks.airflow_up import AirflowUp, airflow_up
from cli.stack import USER
from warehouse.settings import Settings

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here"),
]
STEPS = ("discover", "load_and_gate", "build", "audit", "publish", "report")


@pytest.fixture(scope="module")
def running() -> Iterator[AirflowUp]:
    """A warehouse that is up, and empty."""
    settings = Settings(home=new_home("vss-seen-"))
    try:
        with airflow_up(settings) as airflow:
            yield airflow
    finally:
        stop_and_remove(settings)


@pytest.fixture(scope="module")
def address(running: AirflowUp) -> str:
    ports = json.loads((running.settings.home / "up" / "ports.json").read_text(encoding="utf-8"))
    return f"http://127.0.0.1:{ports['airflow']}"


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Page]:
    with browser_page(tmp_path, height=1200) as opened:
        yield opened


def log_in(tab: Page, address: str, password: str) -> None:
    """Ask for a page, and type into the form that comes instead."""
    tab.open(f"{address}/dags/nightly_load")
    tab.wait("document.querySelector('input[name=password]') && location.pathname.startsWith('/auth/login')")
    for name, text in (("username", USER), ("password", password)):
        tab.evaluate(f"document.querySelector('input[name={name}]').focus()")
        tab.call("Input.insertText", text=text)
    tab.wait("!document.querySelector('button[type=submit]').disabled")
    tab.evaluate("document.querySelector('button[type=submit]').click()")


def test_who_has_the_password_of_this_home_sees_the_night_and_its_tasks(
    running: AirflowUp, address: str, tab: Page
) -> None:
    log_in(tab, address, (running.settings.home / "secrets" / "airflow_admin").read_text(encoding="utf-8").strip())
    tab.wait("location.pathname === '/dags/nightly_load'")
    tab.wait(f"{json.dumps(STEPS)}.every(step => document.body.innerText.includes(step))")

    assert "nightly_load" in tab.text()
    # whatever a page is drawn with comes from this machine
    assert tab.hosts_that_answered() == {address.removeprefix("http://")}


def test_who_has_not_sees_that_he_is_not_let_in_and_nothing_else(address: str, tab: Page) -> None:
    log_in(tab, address, "admin")
    tab.wait("/401|Invalid credentials/.test(document.body.innerText)")

    assert tab.evaluate("location.pathname").startswith("/auth/login")
    assert "nightly_load" not in tab.text()
