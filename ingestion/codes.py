"""The catalogue of error codes: stable names, one message in Vietnamese and one in English that say what to do next.

`E-` is an error, `N-` a note. Messages take named arguments and never a cell's value: a value may name a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Language = Literal["vi", "en"]


class Message(NamedTuple):
    """One code's texts; `{name}` stands for an argument."""

    vi: str
    en: str


class _Arguments(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "…"


def message(code: str, lang: Language, /, **args: object) -> str:
    """The sentence for a code. Arguments that are missing print as an ellipsis; an unknown code prints as itself."""
    texts = CATALOGUE.get(code)
    if texts is None:
        return code
    text = texts.vi if lang == "vi" else texts.en
    shown = {name: _listed(value) for name, value in args.items() if value is not None and value != ""}
    return text.format_map(_Arguments(shown))


def _listed(value: object) -> object:
    return ", ".join(str(item) for item in value) if isinstance(value, (list, tuple, set, frozenset)) else value


CATALOGUE: Mapping[str, Message] = {
    # the submission
    "E-MANIFEST": Message(
        "manifest.json không đúng mẫu ({detail}). Hãy tạo lại bằng `vss pack` và gửi với mã lần gửi mới.",
        "manifest.json is not as it must be ({detail}). Make it again with `vss pack` and send it under a new id.",
    ),
    "E-DIGEST": Message(
        "Mã băm SHA-256 của tệp {file} khác với manifest. Hãy đóng gói lại và gửi với mã lần gửi mới.",
        "The SHA-256 digest of {file} differs from the manifest. Pack the files again and send them under a new id.",
    ),
    "E-SIZE": Message(
        "Tệp {file} có {actual} byte, manifest khai {declared}. Hãy đóng gói lại và gửi với mã lần gửi mới.",
        "{file} has {actual} bytes, the manifest declares {declared}. Pack the files again and send a new id.",
    ),
    "E-TOO-LARGE": Message(
        "Tệp {file} vượt giới hạn {limit} của biểu {feed}. Hãy chia nhỏ hoặc gửi bằng CSV.",
        "{file} is above the limit of {limit} for {feed}. Send it as CSV, or ask for a higher limit.",
    ),
    "E-ROWS": Message(
        "Manifest khai {declared} dòng, tệp có {parsed} dòng (chênh {difference}). Hãy kiểm tra tệp có bị cắt không.",
        "The manifest declares {declared} rows, the file has {parsed} (difference {difference}). "
        "Check that the file is complete and pack it again.",
    ),
    "E-TOTAL": Message(
        "Tổng cột {column}: manifest khai {declared}, tệp cộng được {parsed} (chênh {difference}). "
        "Hãy sửa số tổng hoặc tệp rồi đóng gói lại.",
        "Total of {column}: declared {declared}, parsed {parsed} (difference {difference}). "
        "Correct the file or the total and pack it again.",
    ),
    "E-TOTAL-COLUMN": Message(
        "Manifest khai tổng của cột {column}, nhưng biểu {feed} không có cột số này. Gần nhất: {nearest}.",
        "The manifest declares a total of {column}, which is no amount or count column of {feed}. Nearest: {nearest}.",
    ),
    "E-VERSION": Message(
        "Phiên bản {version} của kỳ {period} đã được chấp nhận. Hãy gửi với số phiên bản cao hơn.",
        "Version {version} of {period} has been accepted already. Send the correction with a higher version.",
    ),
    "E-ID-REUSED": Message(
        "Mã lần gửi {submission_id} đã dùng cho nội dung khác. Hãy chọn mã mới.",
        "The id {submission_id} was used before for other content. Choose a new id.",
    ),
    "E-ID-FOLDER": Message(
        "Mã lần gửi trong manifest khác tên thư mục {folder}. Hãy đặt tên thư mục đúng là {submission_id}.",
        "The id in the manifest is not the name of the folder, {folder}. Name the folder {submission_id}.",
    ),
    "E-SENDER": Message(
        "Mã tỉnh {province} không có trên bản đồ hành chính của kỳ {period}. Hãy gửi với mã {successor}.",
        "Province code {province} is not on the map of {period}. Send it as {successor}.",
    ),
    "E-SENDER-FOLDER": Message(
        "Người gửi trong manifest khác thư mục {folder} chứa lần gửi. Hãy đặt vào thư mục của người gửi: {sender}.",
        "This lies in the folder {folder}, which is not its sender's. Put it into the folder of its sender: {sender}.",
    ),
    "E-FEED": Message(
        "Người gửi {sender} không được gửi biểu {feed}. Biểu được phép: {allowed}.",
        "{sender} may not send the feed {feed}. Allowed: {allowed}.",
    ),
    "E-PERIOD": Message(
        "Kỳ {period} không dùng được ở đây: {detail}. Hãy sửa kỳ trong manifest.",
        "The period {period} cannot be used here: {detail}. Correct the period in the manifest.",
    ),
    "E-SIG-MISSING": Message(
        "Thiếu manifest.sig, tệp chữ ký của {sender}. Hãy ký bằng khóa đã đăng ký (`vss pack --key`) và gửi với "
        "mã lần gửi mới.",
        "manifest.sig, the signature of {sender}, is missing. Sign with the registered key (`vss pack --key`) and "
        "send it under a new id.",
    ),
    "E-SIG-INVALID": Message(
        "Chữ ký không khớp với manifest và các khóa của {sender}. Hãy ký lại, không sửa manifest sau khi ký, và "
        "gửi với mã lần gửi mới.",
        "The signature fits neither the manifest nor a key of {sender}. Sign again, leave the manifest untouched, and "
        "send it under a new id.",
    ),
    "E-SIG-REVOKED": Message(
        "Khóa ký của {sender} đã bị thu hồi. Hãy đăng ký khóa mới, ký lại và gửi với mã lần gửi mới.",
        "The key of {sender} has been revoked. Register a new key, sign again and send it under a new id.",
    ),
    "E-SIG-EXPIRED": Message(
        "Khóa ký của {sender} đã hết hạn. Hãy đăng ký khóa mới, ký lại và gửi với mã lần gửi mới.",
        "The key of {sender} has expired. Register a new key, sign again and send it under a new id.",
    ),
    "E-SIG-EARLY": Message(
        "Khóa ký của {sender} chưa có hiệu lực. Hãy ký bằng khóa đang có hiệu lực và gửi với mã lần gửi mới.",
        "The key of {sender} is not valid yet. Sign with a key that is in force and send it under a new id.",
    ),
    "E-SIG-OTHER": Message(
        "Lần gửi nằm trong thư mục của {sender} nhưng được ký bằng khóa của người gửi khác. Hãy đặt vào đúng thư mục "
        "hoặc ký bằng khóa của {sender}, và gửi với mã lần gửi mới.",
        "This lies in the folder of {sender}, but was signed with another sender's key. Put it into the right folder, "
        "or sign it with the key of {sender}, and send it under a new id.",
    ),
    "E-ENCRYPTION": Message(
        "Không giải mã được {file}, hoặc tên tệp không khớp. Với mã hóa age, hãy mã hóa bằng khóa công khai của kho "
        "(`vss keys recipient`) và đặt tên kết thúc bằng .age; không mã hóa thì tên không có .age.",
        "{file} cannot be decrypted, or is not named as it must be. With encryption age, encrypt it to the warehouse's "
        "key (`vss keys recipient`) and end its name in .age; without encryption a name does not end in .age.",
    ),
    "E-NIL": Message(
        "Biểu {feed} không thể khai là không phát sinh. Hãy gửi tệp dữ liệu.",
        "The feed {feed} cannot be nil. Send its file.",
    ),
    # the file
    "E-FORMAT": Message(
        "Tệp không phải là {expected} đọc được ({found}). Hãy lưu lại đúng định dạng và gửi lại.",
        "The file is not a readable {expected} ({found}). Save it in the declared format and send it again.",
    ),
    "E-ARCHIVE": Message(
        "Tệp nén {file} không dùng được ({found}). Hãy nén lại đúng một tệp dữ liệu bằng zip hoặc gzip và gửi lại.",
        "The archive {file} cannot be used ({found}). Put exactly one data file into a zip or gzip and send it again.",
    ),
    "E-ENCODING": Message(
        "Tệp không đúng bảng mã {encoding}. Hãy lưu lại bằng UTF-8; chữ TCVN3 hoặc VNI thì chuyển sang Unicode.",
        "The file is not valid {encoding}. Save it as UTF-8; if the text is TCVN3 or VNI, convert it to Unicode first.",
    ),
    "E-HEADING-MISSING": Message(
        "Thiếu cột bắt buộc {column}. Tiêu đề gần nhất trong tệp: {nearest}. Hãy sửa tiêu đề hoặc dùng `vss template`.",
        "The required column {column} is missing. Nearest heading in the file: {nearest}. "
        "Correct the heading or use `vss template`.",
    ),
    "E-HEADING-TWICE": Message(
        "Cột {column} có hai tiêu đề. Hãy giữ lại một cột.",
        "The column {column} stands twice. Keep one of them.",
    ),
    "E-EMPTY": Message(
        "Tệp không có dòng dữ liệu. Nếu không phát sinh, hãy khai `nil` trong manifest.",
        "The file has no data rows. If there is nothing to report, say `nil` in the manifest.",
    ),
    "E-TOLERANCE": Message(
        "{rejected} trên {rows} dòng bị loại, cho phép tối đa {tolerated}. Hãy sửa các dòng được nêu và gửi lại.",
        "{rejected} of {rows} rows were set aside, at most {tolerated} may be. Correct the rows listed and send again.",
    ),
    # the row
    "E-RAGGED": Message(
        "Dòng có {actual} ô, tiêu đề có {expected}. Hãy kiểm tra dấu phân cách và dấu ngoặc kép trong dòng.",
        "The row has {actual} cells, the heading {expected}. Check delimiters and quotes in this row.",
    ),
    "E-QUOTE": Message(
        "Dấu ngoặc kép trong dòng không đóng đúng. Hãy viết hai dấu ngoặc kép bên trong ô và đóng ô.",
        "A quote in this row is not closed as it must be. Double quotes inside a cell and close the cell.",
    ),
    "E-CONTROL": Message(
        "Dòng chứa ký tự điều khiển (NUL hoặc xuống dòng lạ). Hãy xóa ký tự đó và gửi lại.",
        "The row holds a control character (NUL or a stray line break). Remove it and send the row again.",
    ),
    "E-LONG": Message(
        "Dòng dài hơn {limit} byte. Hãy kiểm tra dấu ngoặc kép và nội dung ô.",
        "The row is longer than {limit} bytes. Check the quotes and shorten the cell.",
    ),
    "E-DUPLICATE": Message(
        "Khóa của dòng này đã có ở dòng {first}; dòng đầu được giữ. Hãy xóa dòng trùng.",
        "The key of this row stands in row {first} already, which was kept. Remove the duplicate.",
    ),
    "E-FORMULA": Message(
        "Ô {cell} (cột {column}) có công thức chưa tính hoặc báo lỗi. Hãy dán giá trị vào ô (Paste Values) và gửi lại.",
        "Cell {cell} ({column}) holds a formula without a result, or an error. Paste the value into it and send again.",
    ),
    # the cell
    "E-REQUIRED": Message(
        "Cột {column} không được để trống. Hãy điền giá trị.",
        "{column} must not be empty. Fill it in.",
    ),
    "E-CODE": Message(
        "Mã ở cột {column} không đúng dạng ({shape}). Hãy khôi phục cột ở dạng văn bản, giữ số 0 ở đầu.",
        "The code in {column} is not as it must be ({shape}). Restore the column as text, with its leading zeros.",
    ),
    "E-TAX-CODE": Message(
        "Mã số thuế ở cột {column} sai số kiểm tra. Hãy đối chiếu với giấy đăng ký thuế.",
        "The tax code in {column} has a wrong check digit. Compare it with the tax registration.",
    ),
    "E-NUMBER": Message(
        "Cột {column} không phải là số. Chỉ dùng chữ số và dấu trừ ở đầu, không dấu chấm ngăn cách, không đơn vị.",
        "{column} is not a number. Use digits and a leading minus only, no separators and no unit.",
    ),
    "E-FRACTION": Message(
        "Cột {column} có phần lẻ quá {scale} chữ số so với quy định. Tiền là số đồng nguyên, không có dấu ngăn cách.",
        "{column} may have {scale} decimals at most; money must come to whole đồng, without separators.",
    ),
    "E-NEGATIVE": Message(
        "Cột {column} không được âm. Hãy kiểm tra dấu.",
        "{column} must not be negative. Check the sign.",
    ),
    "E-RANGE": Message(
        "Cột {column} nằm ngoài khoảng cho phép ({minimum} đến {maximum}). Hãy kiểm tra đơn vị tính.",
        "{column} is outside the allowed range ({minimum} to {maximum}). Check the unit.",
    ),
    "E-DATE": Message(
        "Cột {column} không phải là ngày có thật. Hãy viết YYYY-MM-DD hoặc DD/MM/YYYY.",
        "{column} is not a real date. Write YYYY-MM-DD or DD/MM/YYYY.",
    ),
    "E-MONTH": Message(
        "Cột {column} không phải là tháng. Hãy viết YYYY-MM.",
        "{column} is not a month. Write YYYY-MM.",
    ),
    "E-ENUM": Message(
        "Cột {column} chỉ nhận: {allowed}. Hãy dùng một trong các giá trị này.",
        "{column} takes only: {allowed}. Use one of these.",
    ),
    "E-LEGACY-TEXT": Message(
        "Chữ ở cột {column} theo bảng mã {legacy}. Hãy chuyển {legacy} sang Unicode (ví dụ bằng UniKey) rồi gửi lại.",
        "The text in {column} is in the old {legacy} encoding. Convert it from {legacy} to Unicode (UniKey does) and "
        "send it again.",
    ),
    "E-PROVINCE": Message(
        "Mã tỉnh {province} ở cột {column} không có trên bản đồ hành chính của {period}. Hãy dùng mã {successor}.",
        "The province code {province} in {column} is not on the map of {period}. Write {successor}.",
    ),
    "E-INDICATOR": Message(
        "Chỉ tiêu ở cột {column} không có trong danh mục. Gần nhất: {nearest}.",
        "The indicator in {column} is not in the list. Nearest: {nearest}.",
    ),
    "E-INDICATOR-UNIT": Message(
        "Chỉ tiêu {indicator} tính bằng {unit}, kiểu {measure}. Hãy sửa cột {column}.",
        "The indicator {indicator} is counted in {unit}, as {measure}. Correct {column}.",
    ),
    "E-PAIR": Message(
        "Cột {column} không được lớn hơn cột {limit}. Hãy kiểm tra hai số.",
        "{column} must not be above {limit}. Check both figures.",
    ),
    "E-ONE-OF": Message(
        "Cần điền ít nhất một trong các cột: {columns}.",
        "At least one of these columns must be filled in: {columns}.",
    ),
    "E-WAITING": Message(
        "Chưa nhận đủ tệp {file}. Lần gửi chờ đến khi tệp đầy đủ; hãy gửi nốt.",
        "{file} is missing or not complete. The submission waits for it: send the rest.",
    ),
    "E-OVERDUE": Message(
        "Hạn nộp là trước {due}, lần gửi vẫn chưa đủ tệp. Hãy gửi nốt ngay.",
        "This was due before {due} and is still not complete. Send the rest at once.",
    ),
    "E-FUTURE": Message(
        "Ngày chốt sau ngày nhận ({received}). Hãy sửa ngày chốt.",
        "The closing date lies after the day of receipt ({received}). Correct the date.",
    ),
    # a person decides
    "E-HELD-WAGE": Message(
        "Trung vị {column} nằm ngoài khoảng {expected} đồng tính theo lương tối thiểu vùng. "
        "Hãy kiểm tra đơn vị tính; chờ quyết định.",
        "The median of {column} lies outside {expected} đồng, the range by the regional minimum wage. "
        "Check the unit; a person decides.",
    ),
    "E-HELD-TOTAL": Message(
        "Tổng cột {column} là {actual}, kỳ trước {expected}. Hãy kiểm tra đơn vị tính; chờ quyết định.",
        "The total of {column} is {actual}, before it was {expected}. Check the unit; a person decides.",
    ),
    "E-HELD-VOLUME": Message(
        "Số dòng {actual} khác xa kỳ trước ({expected}). Hãy xác nhận tệp đầy đủ; chờ quyết định.",
        "{actual} rows are far from {expected} before. Confirm that the file is complete; a person decides.",
    ),
    "E-HELD-SUBSET": Message(
        "Số người {smaller} ({smaller_count}) lớn hơn {larger} ({larger_count}). Hãy kiểm tra; chờ quyết định.",
        "There are more persons in {smaller} ({smaller_count}) than in {larger} ({larger_count}). "
        "Check both; a person decides.",
    ),
    "E-HELD-NIL": Message(
        "Biểu {feed} của tỉnh không thể không phát sinh. Hãy gửi tệp hoặc xác nhận; chờ quyết định.",
        "A province's {feed} cannot be nil. Send the file or confirm it; a person decides.",
    ),
    "E-GATE": Message(
        "Kiểm tra {gate} không đạt: {detail}. Hãy xem biên nhận và gửi lại.",
        "The check {gate} failed: {detail}. Read the receipt and send a correction.",
    ),
    # notes
    "N-COLUMN-IGNORED": Message(
        "Cột lạ «{heading}» được bỏ qua.",
        "The extra column “{heading}” was ignored.",
    ),
    "N-ALIAS": Message(
        "Cột {column} được nhận theo tiêu đề khác.",
        "The column {column} was found under another heading.",
    ),
    "N-ORDER": Message(
        "Các cột đứng theo thứ tự khác mẫu; đã nhận theo tên.",
        "The columns stand in another order than the template; they were matched by name.",
    ),
    "N-NORMALISED": Message(
        "{count} ô được chuẩn hóa (Unicode NFC, khoảng trắng).",
        "{count} cells were normalised (Unicode NFC, spaces).",
    ),
    "N-NOT-LISTED": Message(
        "Còn {count} ô lỗi ở cột {column} ({reason}) không liệt kê hết. Hãy sửa lỗi chung của cột rồi gửi lại.",
        "{count} more faulty cells of {column} ({reason}) are not listed. Correct what the column has in common.",
    ),
    "N-TITLE-ROWS": Message(
        "{count} dòng phía trên tiêu đề được bỏ qua.",
        "{count} rows above the heading were skipped.",
    ),
    "N-SUBTOTAL": Message(
        "Dòng {row} là dòng cộng, không phải dữ liệu.",
        "Row {row} is a subtotal, not data.",
    ),
    "N-DUPLICATE-ELSEWHERE": Message(
        "{count} người trong lần gửi cũng có cùng loại bảo hiểm tháng này ở tỉnh {provinces}. "
        "Hãy đối chiếu với tỉnh đó; bên ghi thừa gửi bản điều chỉnh.",
        "{count} persons of this submission have the same insurance type this month in {provinces} too. "
        "Compare with that province; the one that should not list them sends a correction.",
    ),
    "N-UI-WITHOUT-SI": Message(
        "{count} dòng tham gia BHTN mà người đó không có dòng BHXH bắt buộc: các dòng {rows}; "
        "còn {left_out} dòng chưa nêu. Hãy kiểm tra; nếu sai, gửi bản điều chỉnh.",
        "{count} rows of unemployment insurance are of persons without compulsory social insurance: rows {rows}; "
        "{left_out} more are not listed. Check them; if they are wrong, send a correction.",
    ),
    "N-MENDED": Message(
        "So với lần gửi {previous} ({rejects} lỗi đã nêu): đã sửa {mended}, còn {still}. Hãy sửa nốt các ô còn lại.",
        "Of the {rejects} faults listed for {previous}, {mended} are mended and {still} are still there. "
        "Correct what is left.",
    ),
    "N-WORKBOOK": Message(
        "{workbook} là bảng tính của đơn vị, các ô lỗi được tô màu và ghi chú lý do; công thức đã đổi thành giá trị. "
        "Hãy sửa rồi gửi lại.",
        "{workbook} is your own workbook: the faulty cells are coloured and say why; formulas stand as values. "
        "Correct them and send again.",
    ),
    "N-WORKBOOK-ROWS": Message(
        "Bảng tính quá lớn hoặc không ghi chú được: {workbook} chỉ có các dòng bị loại, đúng số dòng. "
        "Hãy sửa trong tệp gốc rồi gửi lại.",
        "The workbook is too large, or could not be marked: {workbook} holds the rejected rows only, at their numbers. "
        "Correct them in your file and send again.",
    ),
    "N-WORKBOOK-PLACES": Message(
        "Tệp đã mã hóa hoặc không mở lại được: {workbook} chỉ nêu dòng, cột và lý do, không có nội dung ô. "
        "Hãy sửa trong tệp gốc rồi gửi lại.",
        "The file is encrypted or cannot be opened again: {workbook} names rows, columns and reasons and holds no "
        "contents. Correct your file and send again.",
    ),
    "N-WORKBOOK-NONE": Message(
        "Không tạo được bảng tính ghi chú cho tệp này. Hãy dùng rejects.csv.",
        "No marked workbook could be made for this file. Use rejects.csv.",
    ),
    "N-NUMBERING": Message(
        "Dòng {row} chỉ đánh số cột, không phải dữ liệu.",
        "Row {row} only numbers the columns, it is not data.",
    ),
    "N-SHEET-IGNORED": Message(
        "Trang tính {position} ({reason}) không được đọc.",
        "Sheet {position} ({reason}) was not read.",
    ),
    "N-FORMULAS": Message(
        "{count} ô là công thức (ô đầu tiên: {cell}); đã lấy giá trị lưu trong tệp.",
        "{count} cells are formulas (the first is {cell}); the values stored in the file were taken.",
    ),
    "N-HIDDEN-ROWS": Message(
        "{count} dòng ẩn vẫn được đọc là dữ liệu. Hãy xóa các dòng này nếu không phải dữ liệu.",
        "{count} hidden rows were read as data. Delete them if they are none.",
    ),
    "N-BLANK-ROWS": Message(
        "{count} dòng trống không được tính là dữ liệu.",
        "{count} blank rows were not counted as data.",
    ),
    # what `vss pack` and `vss check` add
    "N-OLD-ENCODING": Message(
        "Tệp được đọc theo bảng mã {encoding}. Nên lưu bằng UTF-8; hãy xem lại chữ tiếng Việt trong tệp.",
        "The file was read as {encoding}. Better save it as UTF-8; look whether its Vietnamese text is right.",
    ),
    "N-WOULD-SET-ASIDE": Message(
        "{count} trên {rows} dòng sẽ bị loại. Hãy chạy `vss check` để xem từng ô, sửa rồi đóng gói lại.",
        "{count} of {rows} rows would be set aside. Run `vss check` to see each cell, correct and pack again.",
    ),
    "N-NOT-READ": Message(
        "Tệp {file} đã mã hóa nên nội dung chưa được kiểm tra ở đây. Hãy kiểm tra bản đóng gói không mã hóa trước.",
        "{file} is encrypted, so its content was not checked here. Check a folder packed without --encrypt first.",
    ),
    "N-SIGNED": Message(
        "Có manifest.sig. Chữ ký được kiểm tra khi kho dữ liệu nhận.",
        "manifest.sig is there. The warehouse verifies it on arrival.",
    ),
    "N-UNSIGNED": Message(
        "Không có manifest.sig. Nếu đơn vị đã đăng ký khóa, hãy đóng gói lại với `--key`.",
        "There is no manifest.sig. If a key is registered for this sender, pack again with --key.",
    ),
    "N-ONLY-THERE": Message(
        "Chỉ kho dữ liệu kiểm tra được: mã và phiên bản đã dùng, chữ ký, và số liệu so với các kỳ trước (có thể bị giữ "
        "lại chờ quyết định).",
        "Only the warehouse can check: ids and versions already used, the signature, and figures against earlier "
        "periods (it may hold the submission until a person decides).",
    ),
}
