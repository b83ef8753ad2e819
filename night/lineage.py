"""OpenLineage events of a run, one JSON a line, in `VSS_HOME/lineage/<run>.ndjson`: a file, never an address.

Airflow's provider writes its DAG and tasks through `RunFile`; `dbt_events` writes each model and test from dbt's
artifacts. Nothing here stops a load: what goes wrong is one line of the log.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import JobFacet, RunFacet, error_message_run, job_type_job
from openlineage.client.serde import Serde
from openlineage.client.transport.file import FileTransport
from openlineage.client.uuid import generate_new_uuid
from openlineage.common.provider.dbt.facets import DbtRunRunFacet, ParentRunMetadata
from openlineage.common.provider.dbt.processor import DbtArtifactProcessor

from night import journal
from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import Settings, settings

JOBS = "vss"
# the warehouse and not its address: the embedded server's port moves, and an address may carry a login
WAREHOUSE = "postgres://vss"
PRODUCER = "urn:vss:warehouse"
_LOG = logging.getLogger(__name__)
# a facet with the fields that are kept of it; None: all
_KEPT: dict[str, tuple[str, ...] | None] = {
    "airflow": ("dagRun", "taskInstance", "taskUuid"),
    "airflowDagRun": ("dagRun",),
    "airflowState": None,
    "errorMessage": ("message", "programmingLanguage"),
    "nominalTime": None,
    "parent": None,
    "processing_engine": None,
    "vss_ledger": None,
}
_OF_AN_END = ("airflowState", "errorMessage")
_OF_A_RUN = ("dag_id", "run_id", "run_type", "logical_date", "start_date", "end_date", "try_number", "map_index")
# names of classes alone: whatever else begins a line of a traceback may be somebody's name
_ERROR_KIND = re.compile(
    r"^(psycopg\.errors\.[A-Z]\w+|(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception))(?=:|$)", flags=re.MULTILINE
)


@attr.define
class LedgerRunFacet(RunFacet):
    """What the ledger calls a run: ops.run_stage.run_id, its build, the publication that becomes if it passes.

    Of submissions, a task tells those the night has decided so far, dbt's run those that the shown publication lacks.
    """

    run_id: str | None = attr.field(default=None)
    build_id: int | None = attr.field(default=None)
    publication_id: int | None = attr.field(default=None)
    submissions: list[str] = attr.field(factory=list)


class RunFile(FileTransport):
    """The file transport, with a folder for `log_file_path`: an event goes to the file of its own night."""

    def emit(self, event: Any) -> None:
        """Append one event of Airflow's with the facets and fields named here: no logins, addresses or messages.

        An error keeps its kind and loses its text, which may hold cells of a row. `airflow dags test` tells no START
        of the DAG: it is written with its end.
        """
        told = Serde.to_dict(event)
        facets = told["run"]["facets"]
        path = _path(Path(self.config.log_file_path), _airflow_run(facets))
        told["run"]["facets"] = {name: _kept(name, facet) for name, facet in facets.items() if name in _KEPT}
        dag_run = facets.get("airflowDagRun", {}).get("dagRun", {})
        is_unannounced = dag_run and told["eventType"] != "START" and not _has_begun(path, told["run"]["runId"])
        known = {name: facet for name, facet in told["run"]["facets"].items() if name not in _OF_AN_END}
        begun = told | {"eventType": "START", "eventTime": dag_run.get("start_date", told["eventTime"])}
        begun["run"] = told["run"] | {"facets": known}
        _append(path, [begun, told] if is_unannounced else [told])


def path_of(configured: Settings, run_id: str) -> Path:
    """Where the events of a run lie; a run is named as in ops.run_stage."""
    return _path(configured.home / "lineage", run_id)


def ledger_facet(task_instance: Any, _state: Any) -> dict[str, RunFacet]:
    """What Airflow's provider adds to each event of a task: the ledger's numbers, as far as they are known by then."""
    context = task_instance.get_template_context()
    run_id = str(context["params"]["run_id"])
    run_id = journal.named(task_instance.dag_id, str(context["run_id"])) if run_id == "scheduled" else run_id
    with connect(settings(), roles.TRANSFORMER) as connection:
        # builds follow each other under one lease: the one opened while the run's own build stage ran is the run's
        row = connection.execute(
            """
            select
                (select array_agg(distinct s.subject order by s.subject) from ops.run_stage s
                 where s.run_id = %(run)s and s.stage = 'load and gate' and s.subject is not null),
                b.build_id, b.candidate_id
            from (select 1) one
            left join lateral (
                select b.build_id, b.candidate_id
                from ops.run_stage s
                join ops.build b
                    on b.opened_at between s.started_at - interval '1 second'
                        and s.started_at + make_interval(secs => coalesce(s.seconds, 0)::float + 1)
                where s.run_id = %(run)s and s.stage = 'build' and s.outcome in ('done', 'failed')
                order by b.build_id desc limit 1
            ) b on true
            """,
            {"run": run_id},
        ).fetchone()
    submissions, build_id, publication_id = row or (None, None, None)
    return {"vss_ledger": _ledger(run_id, build_id, publication_id, submissions)}


def dbt_events(configured: Settings, target: Path, *, run_id: str, begun: float, error: str | None) -> None:
    """Append what dbt did: itself as a run, and below it a START and a COMPLETE or FAIL of each model and test.

    `target` is dbt's artifacts, `begun` the seconds since the epoch at which dbt was started (older artifacts are
    another run's), `error` the kind of exception with which dbt itself failed. Never raises.
    """
    try:
        ledger = _open_build(configured, run_id)
        path = path_of(configured, run_id)
        events = _dbt(target, ledger, _task(path), begun, error)
        _append(path, [Serde.to_dict(event) for event in events])
        _prune(path.parent, configured.lineage_days)
    except Exception as problem:  # noqa: BLE001 - whatever it is, the load goes on
        _LOG.warning("no lineage of dbt's run: %s", type(problem).__name__)


class _Artifacts(DbtArtifactProcessor):  # type: ignore[misc]  # has no types
    """OpenLineage's reader of dbt's artifacts; inputs are relations that exist, named without an address."""

    def __init__(self, target: Path) -> None:
        super().__init__(producer=PRODUCER, job_namespace=JOBS, skip_errors=True, logger=_LOG)
        self.manifest_file: dict[str, Any] = json.loads((target / "manifest.json").read_bytes())
        self.results: dict[str, Any] = json.loads((target / "run_results.json").read_bytes())

    def get_dbt_metadata(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], None]:
        """Manifest, results, profile (its type alone: no login is read), and no catalog."""
        manifest = self.manifest_file
        nodes, parents = manifest["nodes"], manifest["parent_map"]
        # a seed is read like a source
        seeds = {name: node for name, node in nodes.items() if node["resource_type"] == "seed"}
        manifest["sources"] |= {_seed_as_source(name): node | {"name": node["alias"]} for name, node in seeds.items()}
        manifest["parent_map"] = {
            name: sorted({_seed_as_source(found) for found in _relations(name, nodes, parents)}) for name in parents
        }
        return manifest, self.results, {"type": "postgres"}, None

    def extract_namespace(self, profile: dict[str, Any]) -> str:  # noqa: ARG002 - asked by its name
        """The same for every server."""
        return WAREHOUSE

    def dbt_run_run_facet(self) -> dict[str, DbtRunRunFacet]:
        """dbt's invocation."""
        invocation = self.run_metadata["invocation_id"]
        return {"dbt_run": DbtRunRunFacet(invocation_id=invocation, project_name="vss", dbt_runtime="core")}


def _seed_as_source(name: str) -> str:
    return f"source.{name}" if name.startswith("seed.") else name


def _relations(name: str, nodes: dict[str, Any], parents: dict[str, list[str]]) -> Iterator[str]:
    """What a node reads, through models that are only text in others."""
    for parent in parents.get(name, []):
        if nodes.get(parent, {}).get("config", {}).get("materialized") == "ephemeral":
            yield from _relations(parent, nodes, parents)
        else:
            yield parent


def _dbt(
    target: Path, ledger: LedgerRunFacet, task: ParentRunMetadata | None, begun: float, error: str | None
) -> Iterator[RunEvent]:
    """The events of one invocation of dbt, in the order of time."""
    run_id = str(generate_new_uuid())
    job = Job(JOBS, "dbt", facets={"jobType": _job_type("PROJECT")})
    facets: dict[str, RunFacet] = {"vss_ledger": ledger}
    if task is not None:
        facets["parent"] = task.to_openlineage()
    results = target / "run_results.json"
    inner: list[RunEvent] = []
    failed = error is not None
    if results.exists() and results.stat().st_mtime >= begun:
        reader = _Artifacts(target)
        root = task and (task.root_parent_job_name, task.root_parent_job_namespace, task.root_parent_run_id)
        reader.dbt_run_metadata = ParentRunMetadata(run_id, job.name, JOBS, *(root or ()))
        bounds = _instant(begun), _instant(time.time())
        inner = sorted((_thin(event, ledger, bounds) for event in reader.parse().events()), key=lambda e: e.eventTime)
        failed = failed or any(result["status"] in ("error", "fail") for result in reader.results["results"])
    yield _event(RunState.START, begun, Run(run_id, facets), job)
    yield from inner
    if error is not None:
        facets = facets | {"errorMessage": error_message_run.ErrorMessageRunFacet(error, "Python")}
    yield _event(RunState.FAIL if failed else RunState.COMPLETE, time.time(), Run(run_id, facets), job)


def _event(state: RunState, at: float, run: Run, job: Job) -> RunEvent:
    return RunEvent(eventType=state, eventTime=_instant(at), run=run, job=job, producer=PRODUCER)


def _thin(event: RunEvent, ledger: LedgerRunFacet, bounds: tuple[str, str]) -> RunEvent:
    """Descriptions, columns and SQL once a node, where it ends; inputs by name; a test has the times of its dbt run."""
    is_start = event.eventType == RunState.START
    ids = attr.evolve(ledger, submissions=[])
    facets = {name: facet for name, facet in (event.run.facets or {}).items() if name not in ("tags", "dbt_version")}
    job_type = (event.job.facets or {})["jobType"]
    return attr.evolve(
        event,
        eventTime=bounds[0 if is_start else 1] if getattr(job_type, "jobType", "") == "TEST" else event.eventTime,
        run=attr.evolve(event.run, facets=facets | {"vss_ledger": ids}),
        job=attr.evolve(event.job, facets={"jobType": job_type}) if is_start else event.job,
        inputs=[
            InputDataset(i.namespace, i.name, inputFacets=None if is_start else getattr(i, "inputFacets", None))
            for i in event.inputs or []
        ],
        outputs=[OutputDataset(o.namespace, o.name) if is_start else o for o in event.outputs or []],
    )


def _open_build(configured: Settings, run_id: str) -> LedgerRunFacet:
    """The build that dbt works on, with the submissions it reads and the publication before it did not."""
    with connect(configured, roles.TRANSFORMER) as connection:
        row = connection.execute(
            """
            select b.build_id, b.candidate_id, array(
                select distinct s.submission_id
                from ops.build_input i join ops.load l using (load_id) join ops.submission s using (sub_no)
                where i.build_id = b.build_id and not exists (
                    select from ops.publication p join ops.build_input shown on shown.build_id = p.build_id
                    where p.publication_id = b.base_id and shown.load_id = i.load_id
                )
                order by 1
            )
            from ops.build b where b.state = 'open'
            """
        ).fetchone()
    build_id, publication_id, submissions = row or (None, None, None)
    return _ledger(run_id, build_id, publication_id, submissions)


def _ledger(run_id: str, build_id: object, publication_id: object, submissions: object) -> LedgerRunFacet:
    facet = LedgerRunFacet(
        run_id=run_id,
        build_id=None if build_id is None else int(str(build_id)),
        publication_id=None if publication_id is None else int(str(publication_id)),
        submissions=[str(name) for name in submissions] if isinstance(submissions, list) else [],
    )
    facet._producer = PRODUCER
    return facet


def _task(path: Path) -> ParentRunMetadata | None:
    """The task of Airflow that runs now: the last that the run's file has as begun."""
    if not path.exists():
        return None
    with path.open(encoding="utf-8") as lines:
        for line in reversed(lines.readlines()):
            event = json.loads(line)
            job_type = event["job"].get("facets", {}).get("jobType", {})
            if (job_type.get("integration"), job_type.get("jobType"), event["eventType"]) != (
                "AIRFLOW",
                "TASK",
                "START",
            ):
                continue
            root = event["run"]["facets"].get("parent")
            return ParentRunMetadata(
                event["run"]["runId"], event["job"]["name"], event["job"]["namespace"],
                *((root["job"]["name"], root["job"]["namespace"], root["run"]["runId"]) if root else ()),
            )  # fmt: skip
    return None


def _kept(name: str, facet: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a facet of Airflow's."""
    fields = _KEPT[name]
    kept = {key: value for key, value in facet.items() if fields is None or key in fields or key.startswith("_")}
    for key in kept.keys() & {"dagRun", "taskInstance"}:
        kept[key] = {field: value for field, value in kept[key].items() if field in _OF_A_RUN}
    if name == "errorMessage":
        kept["message"] = next(reversed(_ERROR_KIND.findall(str(facet.get("stackTrace")))), "error")
    return kept


def _has_begun(path: Path, run_id: str) -> bool:
    """Whether the file has the START of an OpenLineage run."""
    return path.exists() and any(
        event["eventType"] == "START" and event["run"]["runId"] == run_id
        for event in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    )


def _airflow_run(facets: dict[str, Any]) -> str:
    """The ledger's name of the run an event of Airflow's belongs to, as the DAG finds it."""
    of_dag = (facets.get("airflow") or facets.get("airflowDagRun") or {}).get("dagRun", {})
    given = (of_dag.get("conf") or {}).get("run_id", "scheduled")
    if given != "scheduled":
        return str(given)
    return journal.named(of_dag["dag_id"], of_dag["run_id"]) if {"dag_id", "run_id"} <= of_dag.keys() else "airflow"


def _append(path: Path, events: list[dict[Any, Any]]) -> None:
    """Append whole lines, whoever else writes to the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(
        json.dumps(event, sort_keys=True, default=lambda value: type(value).__name__) + "\n" for event in events
    )
    with path.open("ab", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(lines.encode())


def _prune(folder: Path, days: int) -> None:
    oldest = time.time() - days * 86_400
    for path in folder.glob("*.ndjson"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)


def _path(folder: Path, run_id: str) -> Path:
    return folder / (re.sub(r"[^A-Za-z0-9_.-]", "_", run_id).lstrip(".") + ".ndjson")


def _instant(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def _job_type(kind: str) -> JobFacet:
    return job_type_job.JobTypeJobFacet("BATCH", "DBT", kind)
