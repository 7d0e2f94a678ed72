"""Dirty rows: what is done to delivered rows, and what the platform must do with each.

A row of the opening delivery is broken as a copy with a key of its own, as test entries and double entries are, so that what happened stays
visible. In daily deliveries a repayment may itself arrive broken; the lender sends it again a day later.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.simulate.dates import day, shift
from warehouse.simulate.draws import Draws, Ints
from warehouse.simulate.profiles import Profile
from warehouse.simulate.rows import constant, replaced, together

NO_NUMBERS = ("abc", "12O0", "1,2,3", "1e5", "NaN", "1.000.000")
NO_DATES = ("2024-02-30", "31/04/2024", "2024-13-01", "20240115")
NO_CONTRACT, NO_INSTALLMENT, NO_REGION = "9999999999", "9999999999-01", "R9"


class Defect(NamedTuple):
    """One kind of defect: catalog id, table, share of rows (name in Rates), broken column, texts put there, rule, disposition.

    No column: the row comes twice. The texts replace the value, but D02 puts one after it in each of two rows, and D06 puts it before.
    """

    id: str
    table: str
    rate: str
    column: str
    texts: tuple[str, ...]
    rule: str
    disposition: str = "quarantined"


TABLES = ("clients", "contracts", "contract_status_history", "installments", "repayments", "penalties")
KEYS = {"contracts": "contract_number", "installments": "installment_id", "repayments": "repayment_id", "penalties": "penalty_id"}

DEFECTS: tuple[Defect, ...] = (
    *(Defect("D01", table, "duplicate", "", (), "duplicate", "duplicate") for table in TABLES),
    Defect("D02", "repayments", "key_conflict", "repayment_amount", ("1", "2"), "key_conflict"),
    Defect("D02", "installments", "key_conflict", "inst_amt_principal", ("1", "2"), "key_conflict"),
    Defect("D03", "contracts", "missing", "principal_amount", ("",), "required_value_missing"),
    Defect("D03", "installments", "missing", "due_date", ("",), "required_value_missing"),
    Defect("D03", "repayments", "missing", "repayment_amount", ("",), "required_value_missing"),
    Defect("D05", "contracts", "garbage", "principal_amount", NO_NUMBERS, "bad_number"),
    Defect("D05", "installments", "garbage", "inst_amt_principal", NO_NUMBERS, "bad_number"),
    Defect("D05", "repayments", "garbage", "repayment_amount", NO_NUMBERS, "bad_number"),
    Defect("D05", "penalties", "garbage", "penalty_amount", NO_NUMBERS, "bad_number"),
    Defect("D06", "repayments", "negative", "repayment_amount", ("-",), "negative_amount"),
    Defect("D08", "installments", "bad_date", "due_date", NO_DATES, "bad_date"),
    Defect("D08", "repayments", "bad_date", "repayment_date", NO_DATES, "bad_date"),
    Defect("D09", "repayments", "before_start", "repayment_date", ("2019-12-31",), "before_start_date"),
    Defect("D11", "repayments", "orphan", "contract_number", (NO_CONTRACT,), "orphan", "parked"),
    Defect("D11", "installments", "orphan", "contract_number", (NO_CONTRACT,), "orphan", "parked"),
)


def break_rows(profile: Profile, seed: int, table: str, clean: pa.Table) -> pa.Table:
    """The delivered rows of one table with dirty rows among them, each right after the row that it is made from."""
    if table == "clients":
        clean = _unknown_regions(profile, seed, clean)
    entity, when = clean["_entity"].to_numpy(), clean["_day"].to_numpy().astype("datetime64[D]")
    kinds = [defect for defect in DEFECTS if defect.table == table]
    factor = np.where(when > day(profile.opening_date), profile.rates.daily_factor, 1.0)
    draw = Draws(seed, f"defect {table}").uniform(entity, (when - np.datetime64("1970-01-01")).astype(np.int64)) / factor
    edges = np.concatenate([[0.0], np.cumsum([getattr(profile.rates, defect.rate) for defect in kinds])])
    eligible = pc.equal(clean["_defect"], "").to_numpy()
    kind = np.where(eligible, np.searchsorted(edges, draw, side="right") - 1, len(kinds))
    parts, places, resent = [clean], [np.arange(len(entity))], np.zeros(len(entity), dtype=bool)
    for position, defect in enumerate(kinds):
        chosen = np.flatnonzero(kind == position)
        if defect.column:
            resent[chosen] = clean["_solid"].to_numpy()[chosen]
        for copy in _copies(seed, defect, clean.take(pa.array(chosen)), entity[chosen]):
            parts.append(copy)
            places.append(chosen)
    parts[0] = replaced(clean, {"_day": pa.array(np.where(resent, shift(when, np.array(1)), when))})
    order = np.argsort(np.concatenate(places), kind="stable")
    return pa.concat_tables(parts).take(pa.array(order))


def _copies(seed: int, defect: Defect, base: pa.Table, entity: Ints) -> list[pa.Table]:
    """The dirty rows made from some rows: one each, two where the defect is a conflict."""
    count = len(base)
    if not defect.column:
        return [_marked(base, defect, constant("", count))]
    original = base[defect.column].combine_chunks()
    if defect.id == "D02":
        values = [together(original, text) for text in defect.texts]
    elif defect.id == "D06":
        values = [together(defect.texts[0], original)]
    else:
        values = [pa.array(defect.texts).take(pa.array(Draws(seed, "defect text").between(entity, 0, len(defect.texts) - 1)))]
    keyed = {KEYS[defect.table]: _key(base, KEYS[defect.table], defect), **_lost(base, defect)}
    return [_marked(replaced(base, {**keyed, defect.column: value}), defect, original) for value in values]


def _lost(base: pa.Table, defect: Defect) -> dict[str, pa.Array]:
    """A repayment without a contract must not name an installment either."""
    is_orphan = defect.rate == "orphan" and defect.table == "repayments"
    return {"installment_id": constant(NO_INSTALLMENT, len(base))} if is_orphan else {}


def _key(base: pa.Table, key: str, defect: Defect) -> pa.Array:
    """The row's own key where the lender sends it again, else a key of the copy's own."""
    own = base[key].combine_chunks()
    extra = together(own, "-", defect.id)
    return extra if defect.rate == "orphan" else pc.if_else(base["_solid"].combine_chunks(), own, extra)


def _marked(copy: pa.Table, defect: Defect, original: pa.Array) -> pa.Table:
    count = len(copy)
    texts = {"_defect": defect.id, "_column": defect.column, "_rule": defect.rule, "_disposition": defect.disposition}
    return replaced(copy, {**{name: constant(text, count) for name, text in texts.items()}, "_original": original})


def _unknown_regions(profile: Profile, seed: int, clean: pa.Table) -> pa.Table:
    """Clients whose region is not on the list, or empty, in every version of their row; the row is accepted."""
    draw = Draws(seed, "unknown region").uniform(clean["_entity"].to_numpy())
    rate = profile.rates.unknown_region
    is_other, is_empty = pa.array(draw < rate), pa.array((draw >= rate) & (draw < 2 * rate))
    region = clean["region_id"].combine_chunks()
    number = clean["_entity"].to_numpy()
    is_first = pa.array(np.concatenate([[True], number[1:] != number[:-1]])[: len(number)])  # later versions repeat what is known
    marked = pc.and_(pc.or_(is_other, is_empty), is_first)
    blank = clean["_defect"].combine_chunks()
    return replaced(
        clean,
        {
            "region_id": pc.if_else(is_other, NO_REGION, pc.if_else(is_empty, "", region)),
            "_defect": pc.if_else(marked, "D13", blank),
            "_column": pc.if_else(marked, "region_id", blank),
            "_original": pc.if_else(marked, region, blank),
            "_rule": pc.if_else(pc.and_(is_other, is_first), "unknown_region", blank),
            "_disposition": pc.if_else(marked, "accepted", blank),
        },
    )
