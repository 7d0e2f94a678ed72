"""Dirty rows among the delivered ones.

What happened stays recoverable. In the opening delivery a broken row is a copy with a key of its own, as test entries and double entries
are, or its fault hides nothing; in later ones the row itself may arrive broken, and the lender sends it again with the next delivery.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.simulate.business_days import is_followed, next_delivery
from warehouse.simulate.catalog import DEFECTS, KEYS, NO_INSTALLMENT, Defect, marked
from warehouse.simulate.clients_dirt import without_optional
from warehouse.simulate.dates import day, days
from warehouse.simulate.draws import Draws, Ints
from warehouse.simulate.ledger import NUMBERS
from warehouse.simulate.loans import VERSIONS
from warehouse.simulate.mass import mass_defects
from warehouse.simulate.profiles import Profile
from warehouse.simulate.rows import constant, replaced, together
from warehouse.simulate.versions import is_written, spelled

Flags = npt.NDArray[np.bool_]

PER_KEY = {"contracts": VERSIONS, "installments": 4}  # entities of one key, where there are several


def break_rows(profile: Profile, seed: int, table: str, clean: pa.Table) -> pa.Table:
    """The delivered rows of one table, spelled as the lender spells them that day, with dirty rows among them.

    Each dirty row comes right after the row that it is made from, or in its place.
    """
    if table == "clients":
        clean = without_optional(profile, seed, clean)
    kinds = [defect for defect in DEFECTS if defect.table == table]
    mass = mass_defects(profile, seed, clean) if table == "repayments" else []
    kind, when = _kinds(profile, seed, table, clean, kinds), days(clean["_day"].to_numpy())
    for number, (_, hit) in enumerate(mass, start=len(kinds)):
        kind[hit] = number
    kinds += [defect for defect, _ in mass]
    follows = next_delivery(profile, when)
    parts, places = [clean], [np.arange(len(clean))]
    moved, dropped = np.zeros(len(clean), dtype=bool), np.zeros(len(clean), dtype=bool)
    for position, defect in enumerate(kinds):
        chosen = np.flatnonzero(kind == position)
        copies = _copies(seed, defect, spelled(table, clean.take(pa.array(chosen))))
        parts += copies
        places += [chosen] * len(copies)
        if defect.mode == "extra":
            moved[chosen] = clean["_solid"].to_numpy()[chosen]
        moved[chosen] |= defect.mode == "again"
        dropped[chosen] = defect.mode == "instead"
    dropped |= moved & is_followed(clean["_entity"].to_numpy() // PER_KEY.get(table, 1), when, follows)
    parts[0] = spelled(table, replaced(clean, {"_day": pa.array(np.where(moved, follows, when))}))
    order = np.argsort(np.concatenate(places), kind="stable")
    is_kept = np.concatenate([~dropped, np.ones(len(order) - len(clean), dtype=bool)])
    return pa.concat_tables(parts).take(pa.array(order[is_kept[order]]))


def _kinds(profile: Profile, seed: int, table: str, clean: pa.Table, kinds: list[Defect]) -> Ints:
    """What each row suffers: the position of its defect, -1 for none."""
    entity, when = clean["_entity"].to_numpy(), days(clean["_day"].to_numpy())
    factor = np.where(when > day(profile.opening_date), profile.rates.daily_factor, 1.0)
    draw = Draws(seed, f"defect {table}").uniform(entity, when.astype(np.int64)) / factor
    edges = np.concatenate([[0.0], np.cumsum([getattr(profile.rates, defect.rate) for defect in kinds])])
    kind = np.searchsorted(edges, draw, side="right") - 1
    kind[(kind == len(kinds)) | ~pc.equal(clean["_defect"], "").to_numpy()] = -1
    for position, defect in enumerate(kinds):
        chosen = np.flatnonzero(kind == position)
        kind[chosen[~_allowed(profile, defect, clean.take(pa.array(chosen)))]] = -1
    return kind


def _allowed(profile: Profile, defect: Defect, rows: pa.Table) -> Flags:
    """Whether a defect can happen to rows: the files of their day have the column, and they meet its condition."""
    when = days(rows["_day"].to_numpy())
    allowed = is_written(defect.table, defect.column, when)
    if "op" in rows.column_names and defect.mode != "twice":
        allowed &= pc.not_equal(rows["op"], "D").to_numpy()  # of a deleted row only the key is read
    if defect.mode == "again":
        allowed &= when < day(profile.last)
    if defect.only == "application":
        is_new = pc.equal(rows["status"], "New").to_numpy()
        starts = days(rows["start_date"].to_numpy().astype("datetime64[D]"))
        allowed &= is_new & (when > day(profile.opening_date)) & (starts >= next_delivery(profile, when))
    if defect.only == "paid off":
        allowed &= pc.equal(rows["status"], "Paid-off").to_numpy()
    if defect.only == "first installment":
        entity = rows["_entity"].to_numpy()
        allowed &= (entity % 4 == 0) & (entity // 4 % NUMBERS == 1)
    if defect.only == "name":
        allowed &= rows["_fresh"].to_numpy() & ~pc.string_is_ascii(rows[defect.column]).to_numpy()
    return allowed


def _copies(seed: int, defect: Defect, base: pa.Table) -> list[pa.Table]:
    """The dirty rows made from some rows."""
    if not defect.column:
        return [marked(base, defect, constant("", len(base)))]
    original = base[defect.column].combine_chunks()
    draw = Draws(seed, "defect text").uniform(base["_entity"].to_numpy())
    other = {} if defect.mode != "extra" else {KEYS[defect.table]: _key(base, defect), **_lost(base, defect)}
    return [marked(replaced(base, {**other, defect.column: change(original, draw)}), defect, original) for change in defect.change]


def _key(base: pa.Table, defect: Defect) -> pa.Array:
    """The row's own key where the lender sends it again, else a key of the copy's own."""
    own = base[KEYS[defect.table]].combine_chunks()
    if defect.table == "contract_status_history":
        return own  # the status is a part of the key
    extra = together(own, "-", defect.id)
    return extra if defect.disposition == "parked" else pc.if_else(base["_solid"].combine_chunks(), own, extra)


def _lost(base: pa.Table, defect: Defect) -> dict[str, pa.Array]:
    """A repayment without a contract must not name an installment either."""
    is_orphan = defect.disposition == "parked" and defect.table == "repayments"
    return {"installment_id": constant(NO_INSTALLMENT, len(base))} if is_orphan else {}
