"""Any bytes as `manifest.json` are a manifest or refused as one: nothing else, soon, and without quoting them."""

from __future__ import annotations

import copy
import json
import resource
import time
from pathlib import Path
from typing import Any

import pytest
from claims import SHORT_AND_LONG, holds
from hypothesis import strategies as st
from mutations import HUGE, mutated
from pydantic import ValidationError

from ingestion import manifest as manifests
from ingestion.manifest import Manifest, parse

CANARY = "canary-0110001234"
SECONDS = 10
MEGABYTES = 300
HONEST: dict[str, Any] = {
    "manifest_version": 1,
    "submission_id": "p26-2021-10-v1",
    "sender": "province-26",
    "period": "2021-10",
    "as_of_date": "2021-10-31",
    "version": 1,
    "action": "submit",
    "created_at": "2021-11-02T08:00:00+07:00",
    "encryption": "none",
    "files": [
        {
            "feed": "participants", "path": "participants.csv", "format": "csv", "encoding": "utf-8", "delimiter": ",",
            "basis": "month", "unit": "dong", "bytes": 1234, "sha256": "0" * 64, "rows": 1548119,
            "totals": {"wage_base_vnd": 2100000000000},
        },
        {"feed": "arrears", "path": "nợ.xlsx.gz", "format": "xlsx", "bytes": 9, "sha256": "a" * 64, "rows": 1,
         "unit": "million", "totals": {"principal_vnd": 117.59, "months_owed": -3.5}},
        {"feed": "outreach", "nil": True},
    ],
}  # fmt: skip
VOID = {**HONEST, "action": "void", "files": [], "version": 2, "submission_id": "v2"}
WEEKLY = {**HONEST, "period": "2021-W44", "files": [{"feed": "weekly_report", "nil": True}]}
SEEDS = [json.dumps(each, ensure_ascii=each is VOID).encode() for each in (HONEST, VOID, WEEKLY)]


def _parsed(content: bytes) -> Manifest | None:
    """The manifest, or None where it is refused; and what must be so whatever the bytes were."""
    began = time.process_time()
    try:
        manifest = parse(content)
    except ValidationError as error:
        told = json.dumps([[*map(str, each["loc"]), each["msg"]] for each in error.errors(include_input=False)])
        assert CANARY not in told
        assert error.error_count() > 0
        manifest = None
    assert time.process_time() - began < SECONDS
    return manifest


def _is_usable(manifest: Manifest, folder: Path) -> None:
    """What comes after parsing can rely on it: a month, numbers that can be written out, the same when written."""
    assert manifests.period_month(manifest.period).day == 1
    assert parse(manifest.model_dump_json().encode()) == manifest
    for file in manifest.files:
        assert file.path is None or (folder / file.path).resolve().parent == folder.resolve()
        assert all(len(f"{total:f}") < 100 for total in file.totals.values())


@SHORT_AND_LONG
def test_bytes_that_once_were_a_manifest_are_one_or_are_refused(times: int, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def claim(content: bytes) -> None:
        manifest = _parsed(content)
        if manifest is not None:
            _is_usable(manifest, tmp_path)

    holds(claim, examples=500, times=times, content=mutated(SEEDS))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024


@SHORT_AND_LONG
def test_any_bytes_are_a_manifest_or_are_refused(times: int, tmp_path: Path) -> None:
    def claim(content: bytes) -> None:
        manifest = _parsed(content)
        if manifest is not None:
            _is_usable(manifest, tmp_path)

    holds(claim, examples=100, times=times, content=st.binary(max_size=200))


_SCALAR = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from([
        CANARY, "", ".", "..", "../x", "/etc/passwd", "C" + ":\\x", "a/b", "manifest.json", "manifest.sig", "x\u202ey",
        "x\x00", "a" * 256, "2021-13", "2021-W53", "2020-W53", "2021-W00", "0000-01", "9999-W52", "9999-12", "0001-W01",
        10**400, "2021-10\n", "٢٠٢١-10", "province-٢٦", "province-26\n", "9999-12-31", "0000-00-00", "2021-02-30",
        1 << 31, 1 << 63, -1, 0, 1e308, "1e999999", "9" * 5_000, "NaN", "Infinity", "-0", "1_000", " 1 ", "0x10",
        "2021-11-02T08:00:00", "2021-11-02T08:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59",
    ])
)  # fmt: skip
_JSON = st.recursive(
    _SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner), max_leaves=6
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in _places(child, (*path, key)))]


def _with(document: Any, path: tuple[Any, ...], value: Any, *, drop: bool) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed


@SHORT_AND_LONG
@pytest.mark.parametrize("document", [HONEST, VOID, WEEKLY], ids=["honest", "void", "weekly"])
def test_a_manifest_with_anything_in_any_place_is_one_or_is_refused(
    times: int, document: dict[str, Any], tmp_path: Path
) -> None:
    places = _places(document)

    def claim(changes: list[tuple[tuple[Any, ...], Any, bool]]) -> None:
        changed: Any = document
        for path, value, drop in changes:
            if path in _places(changed):
                changed = _with(changed, path, value, drop=drop)
        manifest = _parsed(json.dumps(changed).encode())
        if manifest is not None:
            _is_usable(manifest, tmp_path)

    change = st.tuples(st.sampled_from(places), _JSON, st.integers(0, 9).map(lambda chance: chance == 0))
    holds(claim, examples=120, times=times, changes=st.lists(change, min_size=1, max_size=2))


@SHORT_AND_LONG
def test_a_name_that_stands_twice_is_refused_wherever_it_stands(times: int) -> None:
    def claim(name: str, value: Any, in_file: bool) -> None:
        text = json.dumps(HONEST)
        second = f"{json.dumps(name)}: {json.dumps(value)}, "
        at = text.index('{"feed"') + 1 if in_file else 1
        assert _parsed((text[:at] + second + text[at:]).encode()) is None

    names = st.sampled_from(["feed", "path", "bytes", "sha256", "rows", "totals", "unit"])
    holds(claim, examples=20, times=times, name=names, value=st.integers() | st.text(max_size=5), in_file=st.just(True))
    holds(claim, examples=20, times=times, name=st.sampled_from(sorted(HONEST)), value=_SCALAR, in_file=st.just(False))


_TOO_MUCH = (*HUGE, b"1" * 1_000_000, b"1." + b"1" * 1_000_000, b"1E400", b"00", b".5", b"+1")


@pytest.mark.parametrize("number", _TOO_MUCH, ids=range(len(_TOO_MUCH)))
@pytest.mark.parametrize("where", [b"2100000000000", b"1548119", b"1234", b'"manifest_version": 1', b'"version": 1'])
def test_a_number_beyond_all_bounds_is_refused_at_once(number: bytes, where: bytes) -> None:
    name, colon, digits = where.rpartition(b": ")
    content = SEEDS[0].replace(name + colon + digits, name + colon + number, 1)
    is_another = content != SEEDS[0]
    assert is_another
    is_refused = _parsed(content) is None
    is_in_bounds = number == b"-0" or (number == HUGE[0] and where == b"2100000000000")
    assert is_refused or is_in_bounds


@pytest.mark.parametrize("depth", [100, 1_000, 100_000, 1_000_000])
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"files":[', b'{"files":[{"totals":'])
def test_nesting_without_end_is_refused(depth: int, opening: bytes) -> None:
    assert _parsed(opening * depth) is None
