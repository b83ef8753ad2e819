"""The pages of a VSS_HOME over HTTP, for `vss up`: morning report, gate results, dbt's project page; static files."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from warehouse.settings import settings

_PAGES = {
    "report/index.html": "Morning report",
    "data_docs/index.html": "Gate results",
    "docs/dbt.html": "The dbt project: models, columns, tests",
    "docs/lineage/index.html": "Where each column comes from",
}


def app() -> Starlette:
    """The application; a page that has not been written yet answers 404 until it is."""
    home = settings().home

    def index(_: Request) -> HTMLResponse:
        there = [page for page in _PAGES if (home / page).exists()]
        lines = "".join(f'<li><a href="{page}">{_PAGES[page]}</a></li>' for page in there)
        body = f"<ul>{lines}</ul>" if there else "<p>Nothing is published yet: the first night writes the report.</p>"
        return HTMLResponse(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>VSS Warehouse</title>'
            f"<h1>VSS Warehouse</h1>{body}</html>"
        )

    folders = sorted({page.partition("/")[0] for page in _PAGES})
    mounts = [Mount(f"/{name}", StaticFiles(directory=home / name, html=True, check_dir=False)) for name in folders]
    return Starlette(routes=[Route("/", index), *mounts])
