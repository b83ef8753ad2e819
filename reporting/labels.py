"""What things are called: Vietnamese first, English beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """The same words in both languages."""

    vi: str
    en: str


HEADLINE_INDICATORS = (
    "people_managed",
    "units_managed",
    "si_participants",
    "si_compulsory",
    "si_voluntary",
    "ui",
    "hi",
    "hi_coverage_pct",
    "collection",
    "arrears",
    "inspections",
)

INDICATORS = {
    "si_participants": Words("Tham gia BHXH", "Social insurance"),
    "si_compulsory": Words("BHXH bắt buộc", "Compulsory SI"),
    "si_voluntary": Words("BHXH tự nguyện", "Voluntary SI"),
    "ui": Words("BH thất nghiệp", "Unemployment insurance"),
    "hi": Words("BH y tế", "Health insurance"),
    "hi_household": Words("BHYT hộ gia đình", "HI of households"),
    "hi_students": Words("BHYT học sinh, sinh viên", "HI of pupils and students"),
    "people_managed": Words("Số người đang quản lý", "People managed"),
    "units_managed": Words("Số đơn vị đang quản lý", "Units managed"),
    "hi_facilities_contracted": Words("Cơ sở KCB ký hợp đồng", "Health facilities contracted"),
    "population": Words("Dân số", "Population"),
    "labour_force": Words("Lực lượng lao động", "Labour force"),
    "pension_persons": Words("Hưởng lương hưu, trợ cấp hằng tháng", "Pensions and monthly allowances"),
    "vssid_registrations": Words("Đăng ký VssID", "VssID registrations"),
    "one_time_persons": Words("Hưởng BHXH một lần", "One-time allowances"),
    "short_term_persons": Words("Hưởng chế độ ngắn hạn", "Short-term benefits"),
    "ui_allowance_persons": Words("Hưởng trợ cấp thất nghiệp", "Unemployment allowances"),
    "collection": Words("Số thu", "Collection"),
    "collection_si_compulsory": Words("Thu BHXH bắt buộc", "Collection of compulsory SI"),
    "collection_si_voluntary": Words("Thu BHXH tự nguyện", "Collection of voluntary SI"),
    "collection_ui": Words("Thu BH thất nghiệp", "Collection of UI"),
    "collection_hi": Words("Thu BH y tế", "Collection of HI"),
    "spending": Words("Số chi", "Spending"),
    "hi_treatment_cost": Words("Chi khám chữa bệnh BHYT", "HI treatment cost"),
    "inspected_arrears_before": Words("Số nợ trước thanh tra, kiểm tra", "Arrears before inspection"),
    "recovered_amount": Words("Số tiền thu hồi", "Amount recovered"),
    "arrears": Words("Số tiền chậm đóng (nợ gốc)", "Arrears (principal)"),
    "arrears_hard_to_collect": Words("Nợ khó thu", "Hard-to-collect arrears"),
    "arrears_interest_bearing": Words("Nợ tính lãi", "Interest-bearing arrears"),
    "receivable": Words("Số phải thu", "Receivable"),
    "inspections": Words("Thanh tra, kiểm tra", "Inspections"),
    "inspections_specialised": Words("Thanh tra chuyên ngành", "Specialised inspections"),
    "inspections_examination": Words("Kiểm tra", "Examinations"),
    "inspections_agent": Words("Kiểm tra đại lý thu", "Inspections of agents"),
    "inspections_affiliated": Words("Kiểm tra nội bộ", "Inspections of own offices"),
    "inspections_facility": Words("Kiểm tra cơ sở KCB", "Inspections of health facilities"),
    "inspections_interdisciplinary": Words("Thanh tra liên ngành", "Interdisciplinary inspections"),
    "examinations_interdisciplinary": Words("Kiểm tra liên ngành", "Interdisciplinary examinations"),
    "inspected_units_in_arrears": Words("Đơn vị nợ được thanh tra, kiểm tra", "Inspected units in arrears"),
    "recovered_units": Words("Đơn vị đã khắc phục", "Units that paid after inspection"),
    "si_coverage_pct": Words("Tỷ lệ bao phủ BHXH", "SI coverage"),
    "si_compulsory_coverage_pct": Words("Bao phủ BHXH bắt buộc", "Compulsory SI coverage"),
    "si_voluntary_coverage_pct": Words("Bao phủ BHXH tự nguyện", "Voluntary SI coverage"),
    "hi_coverage_pct": Words("Tỷ lệ bao phủ BHYT", "HI coverage"),
    "arrears_of_plan_pct": Words("Tỷ lệ nợ trên kế hoạch thu", "Arrears over the collection plan"),
    "recovery_rate_pct": Words("Tỷ lệ thu hồi", "Recovery rate"),
    "conferences": Words("Hội nghị tuyên truyền", "Conferences"),
    "customer_conferences": Words("Hội nghị khách hàng", "Customer conferences"),
    "small_groups": Words("Nhóm nhỏ", "Small groups"),
    "subgroups": Words("Tổ nhóm", "Subgroups"),
    "livestreams": Words("Phát trực tiếp", "Livestreams"),
}

_UNITS = {
    "persons": Words("người", "persons"),
    "units": Words("đơn vị", "units"),
    "dong": Words("triệu đồng", "million đồng"),
    "percent": Words("%", "%"),
    "percentage_point": Words("điểm %", "percentage points"),
    "events": Words("cuộc", "events"),
}
# inspections are counted in cases, whatever their unit is called
_OWN_UNITS = {"inspections": Words("cuộc", "cases")}

_COMPARISONS = {
    "plan": Words("so với kế hoạch", "against the plan"),
    "same_period": Words("so với cùng kỳ năm trước", "on the same period last year"),
    "last_december": Words("so với tháng 12 năm trước", "on last December"),
    "previous_month": Words("so với tháng trước", "on the previous month"),
    "unstated": Words("không nêu kỳ so sánh", "against a period it does not name"),
}

SOURCES = {
    "computed": Words("tính từ chi tiết", "computed"),
    "reported": Words("theo báo cáo", "reported"),
    "partly": Words("một phần theo báo cáo", "partly reported"),
}

_FEEDS = {
    "participants": Words("Người tham gia", "Participants"),
    "employers": Words("Đơn vị", "Employers"),
    "contributions": Words("Thu, nộp", "Contributions"),
    "arrears": Words("Chậm đóng", "Arrears"),
    "inspections": Words("Thanh tra, kiểm tra", "Inspections"),
    "benefits": Words("Chi trả chế độ", "Benefits"),
    "weekly_report": Words("Báo cáo tuần", "Weekly report"),
    "indicators": Words("Chỉ tiêu báo cáo", "Reported indicators"),
    "plan_targets": Words("Chỉ tiêu kế hoạch", "Plan targets"),
    "policy_relief": Words("Chính sách hỗ trợ", "Policy relief"),
    "outreach": Words("Tuyên truyền", "Outreach"),
    "tax_employers": Words("Danh sách của cơ quan thuế", "Tax list"),
}

_STATES = {
    "waiting": Words("chờ bổ sung", "waiting"),
    "verified": Words("đã kiểm tra", "verified"),
    "loaded": Words("đã nạp", "loaded"),
    "accepted": Words("đã nhận", "accepted"),
    "accepted_with_rejects": Words("đã nhận, có dòng bị loại", "accepted with rejects"),
    "held": Words("tạm giữ", "held"),
    "rejected": Words("bị từ chối", "rejected"),
}

_OUTCOMES = {
    "done": Words("xong", "done"),
    "failed": Words("không qua cổng kiểm soát", "a gate said no"),
    "error": Words("lỗi", "error"),
}

REASONS = {
    "cit_finalised_si_unpaid": Words("Quyết toán thuế TNDN, không đóng đủ BHXH", "CIT finalised, SI not fully paid"),
    "not_registered": Words("Trả lương, chưa đăng ký BHXH", "Pays wages, not registered"),
    "three_months_or_more": Words("Chậm đóng từ 3 tháng", "Overdue for 3 months or more"),
    "under_declared": Words("Đóng cho ít người hơn số có hợp đồng", "Insures fewer than under contract"),
}

_CHANGES = {
    "came in": Words("mới vào", "came in"),
    "superseded": Words("bản sửa", "correction"),
    "voided": Words("bị hủy", "voided"),
    "taken back": Words("rút lại", "taken back"),
    "restored": Words("có hiệu lực lại", "in force again"),
}

_VERDICTS = {
    "confirmed": Words("đúng là một đơn vị", "confirmed as one unit"),
    "refused": Words("không phải một đơn vị", "not the same unit"),
}

_SENDERS = {"hq": Words("BHXH Việt Nam", "Headquarters"), "tax": Words("Cơ quan thuế", "Tax office")}

_STAGES = {
    "discover": Words("Tìm bản gửi mới", "Discover"),
    "load": Words("Nạp", "Load"),
    "gate": Words("Cổng kiểm soát", "Gate"),
    "load and gate": Words("Nạp và kiểm soát", "Load and gate"),
    "build": Words("Dựng số liệu", "Build"),
    "audit": Words("Kiểm soát trước công bố", "Audit"),
    "publish": Words("Công bố", "Publish"),
    "receipts": Words("Viết phiếu nhận", "Receipts"),
    "build node": Words("Từng bảng khi dựng", "Tables of the build"),
    "report": Words("Lập bản tin", "Report"),
}


def indicator(code: str) -> Words:
    """What an indicator is called; its code when it is new here."""
    return INDICATORS.get(code, Words(code, code))


def unit(code: str, *, of: str | None = None) -> Words:
    """What a unit is called; money is shown in million đồng."""
    return _OWN_UNITS.get(of or "", _UNITS.get(code, Words(code, code)))


def comparison(code: str) -> Words:
    """What a printed figure was compared with."""
    return _COMPARISONS.get(code, Words(code, code))


def feed(code: str) -> Words:
    """What a feed is called."""
    return _FEEDS.get(code, Words(code, code))


def state(code: str) -> Words:
    """What the state of a submission is called."""
    return _STATES.get(code, Words(code, code.replace("_", " ")))


def stage(name: str) -> Words:
    """What a stage of the night is called."""
    return _STAGES.get(name, Words(name, name))


def outcome(code: str) -> Words:
    """How a night or a stage ended."""
    return _OUTCOMES.get(code, Words(code.replace("_", " "), code.replace("_", " ")))


def change(kind: str) -> Words:
    """What a submission did to what is shown."""
    return _CHANGES.get(kind, Words(kind, kind))


def verdict(code: str) -> Words:
    """What was decided on two similar names."""
    return _VERDICTS.get(code, Words(code, code))


def sender(code: str, name_vi: str, name_en: str) -> Words:
    """What a sender is called; a province by its name."""
    return _SENDERS.get(code, Words(name_vi, name_en))
