"""Packing: what the manifest says of plain files is what the warehouse finds in them."""

from __future__ import annotations

import datetime as dt
import gzip
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyrage
import pytest
from builders import arrears, employers, write_csv

from ingestion import manifest as manifests
from ingestion import signatures
from ingestion.checking import check_folder
from ingestion.contracts import load_contracts
from ingestion.packing import Layout, Packed, Source, detect, feed_of, pack
from warehouse.errors import UsageError

NOW = dt.datetime(2021, 11, 2, 8, tzinfo=dt.timezone(dt.timedelta(hours=7)))
# tones apart from their letters, as Windows-1258 writes them
NAME = '"Xí nghiê\u0323p dê\u0323t; may, Huê\u0301"'
HEADING = "si_unit_code;fund;principal_vnd;overdue_vnd;employees_affected"


def packed(folder: Path, *sources: Source, **changes: Any) -> Packed:
    given: dict[str, Any] = {"sender": "province-26", "period": "2021-10", "out": folder / "out", "created_at": NOW}
    return pack(sources, **{**given, **changes})


def arrears_file(folder: Path, text: str, name: str = "arrears.csv", encoding: str = "utf-8") -> Source:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return Source("arrears", path)


def test_rows_and_totals_of_every_amount_and_count_are_those_of_the_file(tmp_path: Path) -> None:
    source = Source("arrears", write_csv(tmp_path / "arrears.csv", arrears(3)))

    result = packed(tmp_path, source)

    (file,) = result.manifest.files
    assert result.folder == tmp_path / "out" / "province-26" / "p26-2021-10-v1"
    assert (file.rows, file.bytes) == (3, source.path.stat().st_size)
    assert file.totals == {
        "principal_vnd": 3000, "overdue_vnd": 1500, "interest_vnd": 0, "employees_affected": 9,
    }  # fmt: skip
    assert manifests.parse((result.folder / "manifest.json").read_bytes()) == result.manifest
    assert check_folder(result.folder)["state"] == "accepted"


def test_totals_are_in_the_unit_of_the_file_and_counts_are_not(tmp_path: Path) -> None:
    source = arrears_file(tmp_path, f"{HEADING}\nTA1;HI;1.5;0.25;3\nTA2;HI;2;0;4\n")

    result = packed(tmp_path, Source("arrears", source.path, unit="million"))

    assert result.manifest.files[0].totals["principal_vnd"] == Decimal("3.5")
    assert result.manifest.files[0].totals["employees_affected"] == 7
    assert check_folder(result.folder)["feeds"][0]["totals"]["principal_vnd"]["parsed"] == 3_500_000


def test_a_total_that_a_json_number_would_round_is_declared_exactly(tmp_path: Path) -> None:
    source = arrears_file(tmp_path, f"{HEADING}\nTA1;HI;123456.123456789;0;1\nTA2;HI;98765.000000001;0;1\n")
    long = arrears_file(
        tmp_path, f"{HEADING}\n" + "".join(f"T{n};HI;900000.123456789;0;1\n" for n in range(1, 90)), "arrears_long.csv"
    )

    short_one = packed(tmp_path, Source("arrears", source.path, unit="billion"))
    long_one = packed(tmp_path, Source("arrears", long.path, unit="billion"), version=2)

    assert short_one.manifest.files[0].totals["principal_vnd"] == Decimal("222221.12345679")
    assert long_one.manifest.files[0].totals["principal_vnd"] == Decimal("80100010.987654221")
    assert '"principal_vnd": "80100010.987654221"' in (long_one.folder / "manifest.json").read_text("utf-8")
    assert [check_folder(each.folder)["state"] for each in (short_one, long_one)] == ["accepted", "accepted"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1258"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found(tmp_path: Path, encoding: str, delimiter: str) -> None:
    heading = delimiter.join(["si_unit_code", "name", "unit_type", "status", "employees"])
    row = delimiter.join(["TA0001A", NAME, "private", "active", "7"])
    path = tmp_path / "employers.csv"
    path.write_bytes(f"{heading}\n{row}\n".encode(encoding))

    layout = detect(path, load_contracts()["employers"])

    declared = encoding if encoding == "cp1258" else "utf-16" if "16" in encoding else "utf-8"
    assert layout == Layout("csv", declared, delimiter)  # type: ignore[arg-type]


def test_a_file_in_windows_1258_is_packed_with_a_note_and_its_text_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "employers.csv"
    path.write_bytes(f"si_unit_code,name,unit_type,status,employees\nTA1,{NAME},private,active,7\n".encode("cp1258"))

    result = packed(tmp_path, Source("employers", path))

    assert [(name, code) for name, code, _ in result.notes] == [("employers.csv", "N-OLD-ENCODING")]
    assert check_folder(result.folder)["state"] == "accepted"


def test_a_compressed_file_is_declared_by_what_is_inside(tmp_path: Path) -> None:
    plain = write_csv(tmp_path / "arrears.csv", arrears(2))
    zipped, squeezed = tmp_path / "arrears.csv.zip", tmp_path / "arrears.csv.gz"
    squeezed.write_bytes(gzip.compress(plain.read_bytes()))
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(plain, "arrears.csv")

    for version, path in enumerate((zipped, squeezed), start=1):
        result = packed(tmp_path, Source("arrears", path), version=version)
        (file,) = result.manifest.files
        assert (file.path, file.format, file.rows) == (path.name, "csv", 2)
        assert check_folder(result.folder)["state"] == "accepted"


@pytest.mark.parametrize(
    ("name", "feed"),
    [
        ("participants.csv", "participants"),
        ("participants_2021-10.csv", "participants"),
        ("Arrears (1).xlsx", "arrears"),
        ("tax_employers.csv.gz", "tax_employers"),
        ("plan-targets 2021.xlsx", "plan_targets"),
    ],
)
def test_the_feed_is_what_the_file_name_begins_with(name: str, feed: str) -> None:
    assert feed_of(Path(name)) == feed


@pytest.mark.parametrize("name", ["data.csv", "participantsx.csv", "my_arrears.csv"])
def test_a_name_that_begins_with_no_feed_is_asked_about(name: str) -> None:
    with pytest.raises(UsageError, match=f"FEED={name}"):
        feed_of(Path(name))


def test_the_defaults_are_the_first_version_and_the_last_day_of_the_period(tmp_path: Path) -> None:
    file = Source("arrears", write_csv(tmp_path / "arrears.csv", arrears(1)))
    weekly = tmp_path / "weekly_report.csv"
    weekly.write_text("item_no,area,difficulty\n1,collection,Đơn vị chậm nộp\n", encoding="utf-8")

    month = packed(tmp_path, file).manifest
    second = packed(tmp_path, file, version=2).manifest
    week = packed(tmp_path, Source("weekly_report", weekly), period="2021-W44").manifest

    assert (month.version, month.action, month.as_of_date) == (1, "submit", dt.date(2021, 10, 31))
    assert (second.submission_id, second.action) == ("p26-2021-10-v2", "correct")
    assert (week.submission_id, week.as_of_date) == ("p26-2021-W44-v1", dt.date(2021, 11, 5))


def test_a_void_and_a_nil_need_no_file(tmp_path: Path) -> None:
    void = packed(tmp_path, action="void", version=3)
    nil = packed(tmp_path, nil=["outreach"])

    assert (void.manifest.action, void.manifest.files) == ("void", ())
    assert [(file.feed, file.nil) for file in nil.manifest.files] == [("outreach", True)]


def test_the_signature_is_over_the_exact_bytes_of_the_manifest(tmp_path: Path) -> None:
    private, public = signatures.new_private_key()
    key = tmp_path / "key.pem"
    key.write_bytes(private)

    result = packed(tmp_path, Source("arrears", write_csv(tmp_path / "arrears.csv", arrears(1))), key=key)

    signature = signatures.decode_signature((result.folder / "manifest.sig").read_bytes())
    content = (result.folder / "manifest.json").read_bytes()
    assert signature is not None
    assert signatures.is_signed_by(signatures.read_public_key(public.decode()), signature, content)
    assert [note["code"] for note in check_folder(result.folder)["notes"]] == ["N-SIGNED", "N-ONLY-THERE"]


def test_an_encrypted_file_opens_with_the_identity_and_its_digest_is_of_the_ciphertext(tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    plain = write_csv(tmp_path / "arrears.csv", arrears(2))

    result = packed(tmp_path, Source("arrears", plain), recipient=str(identity.to_public()))

    (file,) = result.manifest.files
    cipher = result.folder / "arrears.csv.age"
    assert (result.manifest.encryption, file.path, file.rows) == ("age", "arrears.csv.age", 2)
    assert (file.sha256, file.bytes) == (manifests.sha256_of(cipher), cipher.stat().st_size)
    assert pyrage.decrypt(cipher.read_bytes(), [identity]) == plain.read_bytes()
    assert sorted(path.name for path in result.folder.iterdir()) == ["arrears.csv.age", "manifest.json"]
    # without the identity nobody can say more than that it is all there
    said = check_folder(result.folder)
    assert (said["state"], said["errors"], said["feeds"][0]["rows"]) == ("verified", [], 0)


def test_rows_that_would_be_set_aside_are_said_and_counted(tmp_path: Path) -> None:
    result = packed(tmp_path, arrears_file(tmp_path, f"{HEADING}\nTA1;HI;10;5;1\nTA2;XX;10;5;1\n"))

    (note,) = result.notes
    assert note == ("arrears.csv", "N-WOULD-SET-ASIDE", {"count": 1, "rows": 2})
    assert result.manifest.files[0].totals["principal_vnd"] == 20


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sender": "provinz-26"}, "sender"),
        ({"sender": "province-99"}, "E-SENDER"),
        ({"sender": "tax"}, "E-FEED"),
        ({"period": "2021-13"}, "2021-13"),
        ({"period": "2021-W44"}, "E-PERIOD"),
        ({"submission_id": "a b"}, "submission_id"),
        ({"action": "void"}, "a void names no files"),
        ({"nil": ["arrears"]}, "each feed and each file may stand once"),
        ({"recipient": "age1nonsense"}, "age1"),
        ({"key": Path("nowhere.pem")}, "nowhere.pem"),
    ],
)
def test_what_the_warehouse_would_refuse_is_not_packed(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    source = Source("arrears", write_csv(tmp_path / "arrears.csv", arrears(1)))

    with pytest.raises(UsageError, match=said) as refused:
        packed(tmp_path, source, **changes)

    assert "\n" not in str(refused.value)
    assert list(tmp_path.rglob("manifest.json")) == []
    assert [path for path in tmp_path.rglob("*-v1") if path.is_dir()] == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("arrears.csv", b"", "E-EMPTY"),
        ("arrears.csv", HEADING.encode() + b"\n", "E-EMPTY"),
        ("arrears.csv", b"fund;principal_vnd\nHI;1\n", "E-HEADING-MISSING"),
        ("arrears.csv", b"PK\x03\x04rest", "name it .xlsx"),
        ("arrears.xls", b"\xd0\xcf\x11\xe0rest", "save it as"),
        ("arrears.xlsx", b"\xd0\xcf\x11\xe0rest", "E-FORMAT"),
        ("arrears.csv.gz", b"no gzip at all", "E-"),
        ("arrears.csv.age", b"age-encryption.org/v1", "--encrypt"),
        ("arrears.csv", b"a\x8a;b\n\x8a\n", "UTF-8"),
    ],
)
def test_a_file_that_would_be_refused_unread_is_not_packed(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(UsageError, match=said):
        packed(tmp_path, Source("arrears", path))

    assert not (tmp_path / "out").exists()


def test_what_was_packed_is_never_overwritten(tmp_path: Path) -> None:
    source = Source("employers", write_csv(tmp_path / "employers.csv", employers(1)))
    first = packed(tmp_path, source)
    before = {path.name: path.read_bytes() for path in first.folder.iterdir()}

    with pytest.raises(UsageError, match="higher --version"):
        packed(tmp_path, source)

    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == before
