"""Clients as the lender delivers them: new ones, the moves that it hears of, and on Sundays the whole list again."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from warehouse.simulate import geography
from warehouse.simulate.book import Clients
from warehouse.simulate.dates import NEVER, Days, day, shift
from warehouse.simulate.draws import Draws, Ints
from warehouse.simulate.profiles import Profile
from warehouse.simulate.rows import client_ids, iso, padded, rows, together, whole

FAMILY = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Phan", "Vũ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô")
MIDDLE = ("Văn", "Thị", "Minh", "Thanh", "Quốc", "Ngọc", "Đức", "Thu")
GIVEN = ("An", "Bình", "Chi", "Dung", "Giang", "Hà", "Hùng", "Lan", "Linh", "Mai", "Nam", "Phương", "Sơn", "Trang", "Tuấn", "Yến")
DISTRICTS, COMMUNES = 705, 3321  # of the country, before and after the merger of provinces
REPORT_LAG_DAYS = 20.0
NEVER_REPORTED_SHARE = 0.1
DAYS_A_YEAR = 365.25


def moves(profile: Profile, seed: int, clients: Clients) -> tuple[Ints, Days, Days]:
    """Region that each client moves to, when, and when the lender hears of it (NaT: never)."""
    draws, number = Draws(seed, "move"), clients.number
    length = int((day(profile.last) - day(profile.first)).astype(np.int64)) + 1
    moved = draws.uniform(number) < profile.rates.move * length / DAYS_A_YEAR
    moved_on = shift(np.full(len(number), day(profile.first)), draws.between(number, 0, length - 1, lane=3))
    moved_on = np.where(moved & (moved_on > clients.first_start), moved_on, NEVER)
    lag = np.ceil(-REPORT_LAG_DAYS * np.log1p(-draws.uniform(number, lane=4))).astype(np.int64)
    is_told = draws.uniform(number, lane=5) >= NEVER_REPORTED_SHARE
    return geography.new_region(draws, number, clients.region), moved_on, np.where(is_told, shift(moved_on, lag), NEVER)


def clients_rows(profile: Profile, seed: int, clients: Clients, joined_on: Days) -> pa.Table:
    """Delivered clients rows, in the order of clients and days."""
    region, moved_on, told_on = moves(profile, seed, clients)
    opening = day(profile.opening_date)
    everyone, first_on = np.arange(len(clients.number)), np.maximum(joined_on, opening)
    parts = [(everyone, first_on)]
    news = np.flatnonzero((told_on > first_on) & (told_on > opening))
    parts.append((news, told_on[news]))
    for sunday in [date for date in profile.business_dates[1:] if date.isoweekday() == 7]:
        present = np.flatnonzero((first_on < day(sunday)) & ~(told_on == day(sunday)))
        parts.append((present, np.full(len(present), day(sunday))))
    client, when = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((when, client))
    client, when = client[order], when[order]
    has_moved = told_on[client] <= when
    columns = _columns(seed, clients, client, np.where(has_moved, region[client], clients.region[client]), when)
    columns |= _places(seed, clients.number[client], has_moved)
    columns["join_date"] = iso(joined_on[client])
    columns["updated_at"] = iso(np.where(has_moved, moved_on[client], joined_on[client]))
    return rows(columns, when, clients.number[client])


def _columns(seed: int, clients: Clients, client: Ints, region: Ints, when: Days) -> dict[str, pa.Array]:
    draws, number = Draws(seed, "name"), clients.number[client]
    names = [
        pa.array(words).take(pa.array(draws.between(number, 0, len(words) - 1, lane=lane)))
        for lane, words in enumerate((FAMILY, MIDDLE, GIVEN))
    ]
    return {
        "client_id": client_ids(number),
        "client_name": together(names[0], " ", names[1], " ", names[2]),
        "family_name": names[0],
        "given_name": together(names[1], " ", names[2]),
        "region_id": geography.region_ids(region, when),
        "credit_score": whole(clients.score[client]),
    }


def _places(seed: int, client: Ints, has_moved: npt.NDArray[np.bool_]) -> dict[str, pa.Array]:
    """District and commune of residence; files have the one or the other."""
    draws, at = Draws(seed, "place"), has_moved.astype(np.int64)
    return {
        "district_code": padded(draws.between(client, 1, DISTRICTS, at), 3),
        "commune_code": padded(draws.between(client, 1, COMMUNES, at, lane=1), 5),
    }
