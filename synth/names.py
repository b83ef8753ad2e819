"""Parts of names, combined at random: persons, units, streets."""

from __future__ import annotations

import itertools

import polars as pl


def _words(text: str, separator: str = " ") -> list[str]:
    return text.split(separator)


_FAMILY = _words(
    "Nguyễn Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý Đinh Trịnh Mai Tạ Lương Cao Đoàn Hà Lưu"
)
_MIDDLE = {
    "M": _words("Văn Hữu Đức Quang Minh Công Xuân Ngọc Quốc Đình Gia Thành Duy Bá Mạnh Tiến"),
    "F": _words("Thị Ngọc Thu Thanh Phương Kim Hồng Minh Thùy Bích Diệu Mai Khánh Bảo Quỳnh Lan"),
}
_GIVEN = {
    "M": _words(
        "Anh Bình Cường Dũng Đạt Hải Hiếu Hòa Hùng Huy Khánh Kiên Lâm Long Nam Nghĩa Phong Phúc Quân Sơn Tài Thắng"
        " Thịnh Tuấn Tùng Việt Vinh Trung Toàn Thái"
    ),
    "F": _words(
        "An Anh Châu Chi Dung Duyên Giang Hà Hạnh Hằng Hiền Hoa Huệ Hương Lan Liên Linh Loan Mai Nga Ngân Nhung Oanh"
        " Phương Thảo Thủy Trang Tuyết Vân Yến"
    ),
}
_UNIT_STEMS = _words(
    "An Phát,Bình Minh,Đại Thành,Đông Á,Gia Hưng,Hải Đăng,Hòa Phú,Hưng Thịnh,Khánh An,Lộc Xuân,Minh Khang,Nam Sơn,"
    "Nhật Tân,Phú Cường,Quang Huy,Sao Mai,Tân Tiến,Thiên Ân,Trường Sinh,Việt Tín,Vĩnh Hà,Xuân Lộc,Hoàng Gia,Đức Trí",
    ",",
)
_UNIT_FORMS = {
    "state_body": ("Ủy ban nhân dân xã", "Phòng Nội vụ", "Chi cục"),
    "armed_forces": ("Ban chỉ huy quân sự",),
    "public_budget": ("Trường Tiểu học", "Trường Trung học cơ sở", "Trạm Y tế"),
    "public_self_financed": ("Bệnh viện Đa khoa", "Trung tâm Dịch vụ"),
    "state_enterprise": ("Công ty TNHH MTV Nhà nước",),
    "fdi": ("Công ty TNHH Điện tử", "Công ty TNHH May mặc", "Công ty TNHH Linh kiện"),
    "private": ("Công ty TNHH", "Công ty Cổ phần", "Công ty TNHH Thương mại", "Công ty Cổ phần Xây dựng"),
    "cooperative": ("Hợp tác xã",),
    "household": ("Hộ kinh doanh",),
    "foreign_org": ("Văn phòng đại diện",),
}
STREETS = tuple(
    f"Đường {name}" for name in ("Hùng Vương", "Lê Lợi", "Trần Phú", "Quang Trung", "Hai Bà Trưng", "Nguyễn Huệ")
)


def person_names(sex: str) -> pl.Series:
    """All full names of a sex."""
    parts = itertools.product(_FAMILY, _MIDDLE[sex], _GIVEN[sex])
    return pl.Series([" ".join(part) for part in parts])


def unit_names(unit_type: str) -> pl.Series:
    """All names a unit type can bear, without the number that tells two units apart."""
    return pl.Series([f"{form} {stem}" for form, stem in itertools.product(_UNIT_FORMS[unit_type], _UNIT_STEMS)])
