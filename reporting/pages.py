"""The pages of a VSS_HOME over HTTP, for `vss up`: morning report, gate results, dbt's project page; static files."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from warehouse.settings import settings

_FOLDERS = {
    "report": "Morning report",
    "data_docs": "Gate results",
    "docs": "The dbt project: models, columns, lineage",
}


def app() -> Starlette:
    """The application; a page that has not been written yet answers 404 until it is."""
    home = settings().home

    def index(_: Request) -> HTMLResponse:
        there = [name for name in _FOLDERS if (home / name / "index.html").exists()]
        lines = "".join(f'<li><a href="{name}/">{_FOLDERS[name]}</a></li>' for name in there)
        body = f"<ul>{lines}</ul>" if there else "<p>Nothing is published yet: the first night writes the report.</p>"
        return HTMLResponse(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>VSS Warehouse</title>'
            f"<h1>VSS Warehouse</h1>{body}</html>"
        )

    mounts = [
        Mount(f"/{name}", StaticFiles(directory=home / name, html=True, check_dir=False), name=name)
        for name in _FOLDERS
    ]
    return Starlette(routes=[Route("/", index), *mounts])
