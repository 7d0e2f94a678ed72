"""Vietnam as the generated lender sees it: six economic regions, 63 provinces until 30 June 2025 and 34 from the next day.

Codes, regions and the mergers are facts of the country; weights are millions of people times the share who borrow: towns count more.
"""

from datetime import date
from typing import NamedTuple

MERGED_ON = date(2025, 7, 1)
MERGED = "-25"  # ends the id of a province that a merger made; its name and stem are those of the province that it is named after


class Macro(NamedTuple):
    """An economic region and its pull on people who move."""

    region_id: str
    region_name: str
    pull: float


class Province(NamedTuple):
    """A province of the old map: official code, name, position of its region in MACROS, weight of its clients."""

    region_id: str
    region_name: str
    macro: int
    weight: float


MACROS = (
    Macro("R1", "Red River Delta", 0.20),
    Macro("R2", "Northern Midlands and Mountains", 0.04),
    Macro("R3", "North Central and Central Coast", 0.12),
    Macro("R4", "Central Highlands", 0.06),
    Macro("R5", "South East", 0.46),
    Macro("R6", "Mekong River Delta", 0.12),
)

PROVINCES = (
    Province("01", "Ha Noi", 0, 8.6),
    Province("02", "Ha Giang", 1, 0.5),
    Province("04", "Cao Bang", 1, 0.4),
    Province("06", "Bac Kan", 1, 0.25),
    Province("08", "Tuyen Quang", 1, 0.6),
    Province("10", "Lao Cai", 1, 0.55),
    Province("11", "Dien Bien", 1, 0.4),
    Province("12", "Lai Chau", 1, 0.3),
    Province("14", "Son La", 1, 0.8),
    Province("15", "Yen Bai", 1, 0.6),
    Province("17", "Hoa Binh", 1, 0.7),
    Province("19", "Thai Nguyen", 1, 1.4),
    Province("20", "Lang Son", 1, 0.6),
    Province("22", "Quang Ninh", 0, 1.5),
    Province("24", "Bac Giang", 1, 1.8),
    Province("25", "Phu Tho", 1, 1.3),
    Province("26", "Vinh Phuc", 0, 1.1),
    Province("27", "Bac Ninh", 0, 1.6),
    Province("30", "Hai Duong", 0, 1.8),
    Province("31", "Hai Phong", 0, 2.2),
    Province("33", "Hung Yen", 0, 1.2),
    Province("34", "Thai Binh", 0, 1.5),
    Province("35", "Ha Nam", 0, 0.8),
    Province("36", "Nam Dinh", 0, 1.5),
    Province("37", "Ninh Binh", 0, 0.9),
    Province("38", "Thanh Hoa", 2, 2.9),
    Province("40", "Nghe An", 2, 2.6),
    Province("42", "Ha Tinh", 2, 1.0),
    Province("44", "Quang Binh", 2, 0.8),
    Province("45", "Quang Tri", 2, 0.6),
    Province("46", "Hue", 2, 1.1),
    Province("48", "Da Nang", 2, 1.4),
    Province("49", "Quang Nam", 2, 1.4),
    Province("51", "Quang Ngai", 2, 1.1),
    Province("52", "Binh Dinh", 2, 1.4),
    Province("54", "Phu Yen", 2, 0.8),
    Province("56", "Khanh Hoa", 2, 1.3),
    Province("58", "Ninh Thuan", 2, 0.5),
    Province("60", "Binh Thuan", 2, 1.2),
    Province("62", "Kon Tum", 3, 0.45),
    Province("64", "Gia Lai", 3, 1.3),
    Province("66", "Dak Lak", 3, 1.7),
    Province("67", "Dak Nong", 3, 0.6),
    Province("68", "Lam Dong", 3, 1.3),
    Province("70", "Binh Phuoc", 4, 1.1),
    Province("72", "Tay Ninh", 4, 1.3),
    Province("74", "Binh Duong", 4, 3.2),
    Province("75", "Dong Nai", 4, 3.6),
    Province("77", "Ba Ria-Vung Tau", 4, 1.4),
    Province("79", "Ho Chi Minh City", 4, 10.4),
    Province("80", "Long An", 5, 1.9),
    Province("82", "Tien Giang", 5, 1.8),
    Province("83", "Ben Tre", 5, 1.2),
    Province("84", "Tra Vinh", 5, 0.9),
    Province("86", "Vinh Long", 5, 1.0),
    Province("87", "Dong Thap", 5, 1.5),
    Province("89", "An Giang", 5, 1.8),
    Province("91", "Kien Giang", 5, 1.7),
    Province("92", "Can Tho", 5, 1.5),
    Province("93", "Hau Giang", 5, 0.7),
    Province("94", "Soc Trang", 5, 1.1),
    Province("95", "Bac Lieu", 5, 0.8),
    Province("96", "Ca Mau", 5, 1.1),
)

# What each new province is made of, besides the old one of the same name.
MERGERS = {
    "Tuyen Quang": ("Ha Giang",),
    "Lao Cai": ("Yen Bai",),
    "Thai Nguyen": ("Bac Kan",),
    "Phu Tho": ("Vinh Phuc", "Hoa Binh"),
    "Bac Ninh": ("Bac Giang",),
    "Hung Yen": ("Thai Binh",),
    "Hai Phong": ("Hai Duong",),
    "Ninh Binh": ("Ha Nam", "Nam Dinh"),
    "Quang Tri": ("Quang Binh",),
    "Da Nang": ("Quang Nam",),
    "Quang Ngai": ("Kon Tum",),
    "Gia Lai": ("Binh Dinh",),
    "Dak Lak": ("Phu Yen",),
    "Khanh Hoa": ("Ninh Thuan",),
    "Lam Dong": ("Dak Nong", "Binh Thuan"),
    "Ho Chi Minh City": ("Binh Duong", "Ba Ria-Vung Tau"),
    "Dong Nai": ("Binh Phuoc",),
    "Tay Ninh": ("Long An",),
    "Can Tho": ("Hau Giang", "Soc Trang"),
    "Vinh Long": ("Ben Tre", "Tra Vinh"),
    "Dong Thap": ("Tien Giang",),
    "Ca Mau": ("Bac Lieu",),
    "An Giang": ("Kien Giang",),
}


def successors() -> dict[str, str]:
    """Id of each old province -> id of the new one that it is part of; unchanged provinces keep their id."""
    by_name = {province.region_name: province.region_id for province in PROVINCES}
    found = {province.region_id: province.region_id for province in PROVINCES}
    for name, others in MERGERS.items():
        for member in (name, *others):
            found[by_name[member]] = by_name[name] + MERGED
    return found
