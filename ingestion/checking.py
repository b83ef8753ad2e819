"""The verdict on a submission without landing it: what the loader would say before the gate, without a database.

The same rules in the same order as `inbox.verify` and `load.load_submission`, and the form of a receipt. Nothing is
archived, copied or logged; the only trace while it runs is a temporary file of key hashes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingestion import inbox
from ingestion import manifest as manifests
from ingestion.codes import message
from ingestion.contracts import load_contracts
from ingestion.deadlines import LOCAL
from ingestion.duplicates import KeySpill
from ingestion.inbox import Fault, Folder
from ingestion.manifest import Manifest, ManifestFile
from ingestion.readers import FileError
from ingestion.reading import Reject, Tally, Terms, check_against_manifest, control_totals, read_file
from ingestion.signatures import SIGNATURE_NAME
from warehouse.errors import UsageError


def check_folder(path: Path) -> dict[str, Any]:
    """What the warehouse would say of a submission folder before its gates: the form of a receipt, and `notes`.

    `state` is `waiting`, `rejected`, `accepted` or `accepted_with_rejects`; `verified` where the files are encrypted
    and only sizes and digests could be looked at. `received_at` is the manifest's time stamp. `notes` say what could
    not be checked here. Raises UsageError when there is no such folder.
    """
    if not path.is_dir():
        raise UsageError(f"{path} is no folder: name the submission's folder, the one that holds manifest.json.")
    folder = inbox.read_folder(path.absolute())
    seen = inbox.examine(folder)
    manifest = seen.manifest
    faults = [*seen.faults]
    if manifest is not None and not faults and not seen.waiting_for:
        faults = [
            Fault("E-DIGEST", {"file": file.path}, file=file.path)
            for file in manifest.files
            if file.path is not None and manifests.sha256_of(folder.path / file.path) != file.sha256
        ]
    if faults:
        return _receipt(folder, manifest, "rejected", faults)
    if manifest is None or seen.waiting_for:
        waiting = [Fault("E-WAITING", {"file": name}, file=name) for name in seen.waiting_for]
        return _receipt(folder, manifest, "waiting", waiting)
    tallies = [(file, _examined(folder, manifest, file)) for file in manifest.files]
    faults = [fault for _, tally in tallies for fault in tally.faults]
    accepted = "accepted_with_rejects" if any(tally.rejected for _, tally in tallies) else "accepted"
    if manifest.encryption != "none":
        accepted = "verified"
    return _receipt(folder, manifest, "rejected" if faults else accepted, faults, tallies)


def examine(path: Path, file: ManifestFile, terms: Terms) -> Tally:
    """Everything that can be known of one file by reading it; its rows are thrown away.

    A file that is refused as a whole has one fault and the counts up to there. The control totals of `file` are not
    looked at (`check_against_manifest` does that).
    """
    tally = Tally()
    with KeySpill(terms.contract.key) as keys:
        try:
            for _ in read_file(path, file, terms, tally, keys):
                pass
        except FileError as error:
            arguments = {"file": file.path, **error.arguments}
            tally.faults.append(Fault(error.code, arguments, file=file.path, where=error.where))
            return tally
        if candidates := keys.candidates():
            _set_duplicates_aside(path, file, terms, candidates, tally)
    return tally


def _examined(folder: Folder, manifest: Manifest, file: ManifestFile) -> Tally:
    if file.path is None:
        return Tally()
    if manifest.encryption != "none":
        return Tally(notes=[{"code": "N-NOT-READ", "args": {"file": file.path}}])
    contract = load_contracts()[file.feed]
    received_on = None if folder.received_at is None else folder.received_at.astimezone(LOCAL).date()
    tally = examine(folder.path / file.path, file, Terms(contract, manifest.period, received_on))
    if not tally.faults:
        check_against_manifest(file, contract, tally)
    return tally


def _set_duplicates_aside(
    path: Path, file: ManifestFile, terms: Terms, candidates: Sequence[tuple[int, int]], tally: Tally
) -> None:
    """Confirm by reading the candidates' keys once more: of rows with one key the first stays."""
    contract = terms.contract
    wanted = {number for pair in candidates for number in pair}
    amounts = list(tally.parsed)
    found: dict[int, tuple[tuple[object, ...], tuple[object, ...]]] = {}
    with KeySpill(contract.key) as unused:
        for good in read_file(path, file, terms, Tally(), unused):
            rows = good.frame
            kept = rows.filter(rows["row_no"].is_in(list(wanted)))
            keys, values = kept.select(contract.key).iter_rows(), kept.select(amounts).iter_rows()
            found |= dict(zip(kept["row_no"].to_list(), zip(keys, values, strict=True), strict=True))
    for later, first in sorted((later, first) for first, later in candidates):
        if found[first][0] != found[later][0]:
            continue
        for amount, value in zip(amounts, found[later][1], strict=True):
            tally.set_aside[amount] += Decimal(str(value or 0))
        tally.accepted -= 1
        tally.rejects.append(Reject(later, contract.key[0], "E-DUPLICATE", json.dumps({"first": first})))


# ------------------------------------------------------------------------------------------------ the form of a receipt


def _receipt(
    folder: Folder,
    manifest: Manifest | None,
    state: str,
    faults: Sequence[Fault],
    tallies: Sequence[tuple[ManifestFile, Tally]] = (),
) -> dict[str, Any]:
    return {
        "submission_id": folder.submission_id,
        "sender": folder.sender,
        "period": None if manifest is None else manifest.period,
        "version": None if manifest is None else manifest.version,
        "state": state,
        "received_at": None if folder.received_at is None else folder.received_at.isoformat(),
        "is_late": None,
        "errors": [
            {**_said(fault.code, fault.args), "file": fault.file, "where": fault.where or None} for fault in faults
        ],
        "feeds": [_feed(file, tally, state) for file, tally in tallies],
        "rejects": [
            {
                "feed": file.feed,
                "file": file.path,
                "row": reject.row_no,
                "column": reject.column,
                **_said(reject.code, {"column": reject.column, **json.loads(reject.arguments or "{}")}),
            }
            for file, tally in tallies
            for reject in sorted(tally.rejects, key=lambda reject: (reject.row_no, reject.column or "\uffff"))
        ],
        "notes": _what_is_left(folder),
    }


def _feed(file: ManifestFile, tally: Tally, state: str) -> dict[str, Any]:
    totals = control_totals(file, load_contracts()[file.feed], tally)
    own = "accepted" if state == "accepted_with_rejects" and not tally.rejected else state
    return {
        "feed": file.feed,
        "file": file.path,
        "state": own,
        "rows": tally.rows,
        "accepted": tally.accepted,
        "rejected": tally.rejected,
        "totals": {
            name: {point: value for point, value in points.items() if point != "set_aside"}
            for name, points in totals.items()
        },
        "set_aside": {name: points["set_aside"] for name, points in totals.items()},
        "notes": [_in_both(str(note["code"]), note["args"]) for note in tally.notes],
    }


def _what_is_left(folder: Folder) -> list[dict[str, Any]]:
    """What this verdict leaves to the warehouse."""
    signed = (folder.path / SIGNATURE_NAME).is_file()
    return [_said("N-SIGNED" if signed else "N-UNSIGNED", {}), _said("N-ONLY-THERE", {})]


def _said(code: str, arguments: Mapping[str, object]) -> dict[str, str]:
    return {
        "code": code,
        "message_vi": message(code, "vi", **arguments),
        "message_en": message(code, "en", **arguments),
    }


def _in_both(code: str, arguments: object) -> str:
    said = _said(code, arguments if isinstance(arguments, Mapping) else {})
    return f"{said['message_vi']} / {said['message_en']}"
