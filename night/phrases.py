"""What alerts say: a kind each, in Vietnamese and English: what is the matter, and what to do next.

Arguments are codes, places and counts, never a cell's value. The first word of an alert's key is its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Alert:
    """One thing to be told. `key` makes it one and the same; `recipient` is a sender or `operations`."""

    key: str
    recipient: str
    subject_vi: str
    subject_en: str
    body_vi: str
    body_en: str


class Phrase(NamedTuple):
    """One kind's texts; `{name}` stands for an argument."""

    subject_vi: str
    subject_en: str
    body_vi: str
    body_en: str


def alert(kind: str, key: str, recipient: str, **args: object) -> Alert:
    """An alert of a kind; `key` makes it one and the same among its kind. Raises KeyError for a kind without words."""
    phrase = PHRASES[kind]
    return Alert(f"{kind} {key}", recipient, *(" ".join(text.format(**args).split()) for text in phrase))


_MEND_VI = "Sửa chỗ được nêu tên, hoặc yêu cầu đơn vị gửi sửa, rồi chạy `vss build` và `vss publish`."
_MEND_EN = "Mend what is named, or have its sender correct it, then run `vss build` and `vss publish`."
_SEND_VI = "Đóng gói bằng `vss pack`, kiểm tra bằng `vss check`, rồi đặt vào hộp thư đến. Không phát sinh thì khai nil."
_SEND_EN = "Pack with `vss pack`, try with `vss check`, put it into the inbox. With nothing to report declare nil."
_AGAIN_VI = "Xem nhật ký của Airflow, rồi chạy `vss nightly` hoặc kích hoạt lại DAG; không gì bị nạp hai lần."
_AGAIN_EN = "Read Airflow's log, then run `vss nightly` or trigger the DAG anew; nothing is loaded twice."

PHRASES: Mapping[str, Phrase] = {
    # to senders
    "rejected": Phrase(
        "Lần gửi {submission} kỳ {period} bị từ chối{codes}",
        "Submission {submission} for {period} was rejected{codes}",
        "Đọc biên nhận trong hộp thư đi (receipt.json, rejects.csv) hoặc bằng `vss receipt` với mã lần gửi; sửa theo"
        " từng mã lỗi, kiểm tra bằng `vss check`, rồi gửi lại với mã lần gửi mới.",
        "Read the receipt in the outbox (receipt.json, rejects.csv) or with `vss receipt` and the id; mend what each"
        " code names, try it with `vss check`, then send it under a new id.",
    ),
    "held": Phrase(
        "Lần gửi {submission} kỳ {period} đang chờ người duyệt{codes}",
        "Submission {submission} for {period} waits for a person's decision{codes}",
        "Đọc biên nhận trong hộp thư đi. Nếu số liệu đúng, hãy giải trình với đơn vị vận hành; nếu sai, gửi bản sửa với"
        " số phiên bản cao hơn.",
        "Read the receipt in the outbox. If the figures are right, explain them to operations; if not, send a"
        " correction with a higher version.",
    ),
    "due": Phrase(
        "{feed} kỳ {period} của {sender}: hạn gửi {due}",
        "{feed} for {period} of {sender}: due {due}",
        f"Chưa nhận được. {_SEND_VI}",
        f"It has not arrived yet. {_SEND_EN}",
    ),
    "overdue": Phrase(
        "{feed} kỳ {period} của {sender}: quá hạn từ {due}",
        "{feed} for {period} of {sender}: overdue since {due}",
        f"Gửi ngay: chỉ tiêu cần biểu này còn để trống. {_SEND_VI}",
        f"Send it now: figures that need it stay empty. {_SEND_EN}",
    ),
    "unfinished": Phrase(
        "{feed} kỳ {period} của {sender}: hạn gửi {due}, lần gửi còn thiếu tệp",
        "{feed} for {period} of {sender}: due {due}, files of the submission are missing",
        "Biên nhận nêu tên tệp còn thiếu: đặt nốt vào thư mục của lần gửi.",
        "The receipt names the files that are missing: put them into the submission's folder.",
    ),
    # to operations
    "unproven": Phrase(
        "Thư mục {sender}/{submission} không chứng minh được là của đơn vị gửi{codes}",
        "Folder {sender}/{submission} is not proven to come from its sender{codes}",
        "Xem `vss receipt {submission}` và bảng ops.security_event; hỏi đơn vị gửi qua số điện thoại đã biết.",
        "Read `vss receipt {submission}` and ops.security_event; ask the sender on a telephone number you know.",
    ),
    "decide": Phrase(
        "Cần quyết định lần gửi {submission} của {sender}, kỳ {period}{codes}",
        "Decide on submission {submission} of {sender} for {period}{codes}",
        "Đọc `vss receipt {submission}`, hỏi đơn vị gửi, rồi chạy `vss release` hoặc `vss reject` kèm mã này"
        " và --reason.",
        "Read `vss receipt {submission}`, ask the sender, then run `vss release` or `vss reject` with this id"
        " and --reason.",
    ),
    "failed": Phrase(
        "Bước {stage} không đạt{subject}: số liệu đã công bố giữ nguyên",
        "Stage {stage} failed{subject}: what was published stays",
        f"{{message}} {_MEND_VI}",
        f"{{message}} {_MEND_EN}",
    ),
    "error": Phrase(
        "Bước {stage} bị lỗi{subject}: {message}",
        "Stage {stage} broke{subject}: {message}",
        f"Xem `vss status --night`. {_AGAIN_VI}",
        f"Read `vss status --night`. {_AGAIN_EN}",
    ),
    "cut-short": Phrase(
        "Lượt chạy {run} dừng giữa chừng: không có bước {stage}",
        "Run {run} was cut short: there is no stage {stage}",
        f"Tiến trình đã bị kết thúc từ bên ngoài (hết bộ nhớ, quá giờ, tắt máy). {_AGAIN_VI}",
        f"Its process was ended from outside (memory, time limit, machine). {_AGAIN_EN}",
    ),
    "not-started": Phrase(
        "Đêm {night} không chạy",
        "The night of {night} did not start",
        f"Xem `vss up` còn chạy không và DAG nightly_load có bị tạm dừng không. {_AGAIN_VI}",
        f"See whether `vss up` still runs and whether the DAG nightly_load is paused. {_AGAIN_EN}",
    ),
    "not-ended": Phrase(
        "Đêm {night} chưa kết thúc sau {hours} giờ",
        "The night of {night} has not ended after {hours} hours",
        f"Xem `vss status --night` và tiến trình còn chạy không. {_AGAIN_VI}",
        f"See `vss status --night` and whether its process still runs. {_AGAIN_EN}",
    ),
    "no-database": Phrase(
        "Không kết nối được cơ sở dữ liệu",
        "The database cannot be reached",
        "Xem nhật ký của PostgreSQL (postgres/postgres.log trong VSS_HOME) và dung lượng đĩa; rồi chạy `vss status`.",
        "Read the log of PostgreSQL (postgres/postgres.log in VSS_HOME) and look at the disk; then run `vss status`.",
    ),
    "missing": Phrase(
        "Kỳ {period}: {count} trên {of} đơn vị chưa gửi đủ (hạn {due})",
        "{period}: {count} of {of} senders have not sent everything (due {due})",
        "Còn thiếu: {missing}. Gửi muộn: {late}. Từng đơn vị đã được nhắc.",
        "Missing: {missing}. Late: {late}. Each sender was reminded.",
    ),
    "no-address": Phrase(
        "Không có địa chỉ thư điện tử của {sender}",
        "There is no e-mail address of {sender}",
        "Thêm một dòng cho đơn vị này vào tệp mà VSS_ALERT_CONTACTS chỉ tới (cột sender, email).",
        "Add a line for this sender to the file that VSS_ALERT_CONTACTS names (columns sender, email).",
    ),
}
