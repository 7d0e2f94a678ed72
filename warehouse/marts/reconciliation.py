"""Reconciliation: what the marts say adds up to what the curated facts say, to the last unit of money, or nothing is published.

The sums of facts are taken here by month alone, without the regions, cells and joins of the marts, so that a mistake in those cannot hide.
Marts are compared with each other where a region is at stake. Outcomes join the audits of the tables, which publishing asks for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.marts.book_sums import BOOK, HISTORY, book_by_month, cohorts_by_vintage, stock_by_month
from warehouse.marts.loan_distribution_by_region import LOAN_DISTRIBUTIONS
from warehouse.marts.outstanding_movement_by_month import ADDED, TAKEN
from warehouse.marts.portfolio_by_region_month import PORTFOLIO_BY_REGION_MONTH, PORTFOLIOS
from warehouse.marts.roll_rate_by_region import FROM

if TYPE_CHECKING:
    from warehouse.lake import AuditResult

Sums = Mapping[tuple, Mapping[str, Any]]
RULE = "reconciles with "  # rules of this module begin so
SHOWN = 3  # differences that a message names
VINTAGE, ROLL, CLIENTS = "marts.vintage_by_region", "marts.roll_rate_by_region", "marts.client_repayment_history"
MOVEMENT, RESTATED = "marts.outstanding_movement_by_month", "marts.restatement"
OUTSTANDING = "outstanding_principal_amount"
STOCK = ("contract_count", "principal_amount", "outstanding_principal_amount", "new_contract_count", "new_principal_amount")
REGIONAL = ("open_contract_count", "outstanding_principal_amount", "new_contract_count", "new_principal_amount")
REPORTED = ("open_contract_count", OUTSTANDING, "overdue_amount", "par30_amount", "par60_amount", "par90_amount", "npl_amount")
COHORT = ("contract_count", "principal_amount")
EVER = ("ever30_count", "ever90_count", "defaulted_principal_amount")


def reconcile(curated: Mapping[str, ir.Table], marts: Mapping[str, ir.Table], months: ir.Table) -> list["AuditResult"]:
    """Compare the marts with the curated facts and with each other.

    Args:
        curated: curated tables by their names without the layer.
        marts: stored marts by their full names.
        months: as from `warehouse.marts.attribution.mart_months`.

    Returns:
        One result per comparison, under the table that it judges.
    """
    book, stock = sums(book_by_month(curated, months), ("month_on",)), sums(stock_by_month(curated, months), ("month_on",))
    return [
        *_portfolios(marts, book),
        *_distributions(marts, stock),
        *_vintages(marts[VINTAGE], cohorts_by_vintage(curated["fact_contract"], months)),
        *_roll_rates(marts[ROLL], marts[PORTFOLIO_BY_REGION_MONTH.name]),
        *_histories(marts[CLIENTS], marts[PORTFOLIO_BY_REGION_MONTH.name], book),
        *_movements(marts[MOVEMENT], book),
        *_restatements(marts[RESTATED], marts[PORTFOLIO_BY_REGION_MONTH.name], marts[MOVEMENT]),
    ]


def compared(table: str, with_what: str, key: Sequence[str], expected: Sums, found: Sums, measures: Iterable[str]) -> "AuditResult":
    """Compare two sets of sums; what one of them does not have is 0.

    Args:
        table: the table that is judged.
        with_what: where the expected sums come from.
        key: names of the parts of the keys.
        expected: sums by key.
        found: sums of the table by key.
        measures: what to compare.

    Returns:
        A result whose message names month, region, measure and both values of the first differences.
    """
    from warehouse.lake import AuditResult

    names = tuple(measures)
    wrong = list(_differences(key, expected, found, names))
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    sentence = f"{', '.join(names)} by {', '.join(key)} are those of {with_what}"
    message = f"{'; '.join(wrong[:SHOWN])}{more}: must equal {with_what}" if wrong else sentence
    return AuditResult(table, f"{RULE}{with_what}", not wrong, len(wrong), message)


def _differences(key: Sequence[str], expected: Sums, found: Sums, measures: Sequence[str]) -> Iterator[str]:
    for place in sorted(set(expected) | set(found), key=str):
        there, here = expected.get(place, {}), found.get(place, {})
        for name in measures:
            should, value = there.get(name) or 0, here.get(name) or 0
            if should != value:
                where = ", ".join(f"{column} {part}" for column, part in zip(key, place, strict=True))
                yield f"{where}: {name} is {value}, not {should}"


def sums(rows: ir.Table, key: Sequence[str], measures: Iterable[str] | None = None) -> dict[tuple, dict[str, Any]]:
    """Sums of measures by key, as plain values; all columns but the key if no measures are named."""
    names = [name for name in rows.columns if name not in key] if measures is None else list(measures)
    total = rows.group_by(*key).agg(**{name: rows[name].sum() for name in names})
    return {tuple(row.pop(name) for name in key): row for row in total.to_pyarrow().to_pylist()}


def _portfolios(marts: Mapping[str, ir.Table], book: Sums) -> Iterator["AuditResult"]:
    """Over regions of each attribution the portfolio is the book."""
    for _attribution, spec in PORTFOLIOS:
        found = sums(marts[spec.name], ("month_on",), BOOK)
        yield compared(spec.name, "the curated facts", ("month_on",), book, found, BOOK)


def _distributions(marts: Mapping[str, ir.Table], stock: Sums) -> Iterator["AuditResult"]:
    """Statuses of each attribution add up to the contracts, and those of its open ones to its portfolio, region by region."""
    region = ("month_on", "region_id")
    for (_attribution, spec), (_same, portfolio) in zip(LOAN_DISTRIBUTIONS, PORTFOLIOS, strict=True):
        rows = marts[spec.name]
        yield compared(spec.name, "the curated facts", ("month_on",), stock, sums(rows, ("month_on",), STOCK), STOCK)
        running = rows.mutate(open_contract_count=ibis.ifelse(_.status == "Active", _.contract_count, 0))
        expected = sums(marts[portfolio.name], region, REGIONAL)
        yield compared(spec.name, portfolio.name, region, expected, sums(running, region, REGIONAL), REGIONAL)


def _vintages(rows: ir.Table, cohorts: ir.Table) -> Iterator["AuditResult"]:
    """Cohorts hold every disbursed contract; what had ever happened never falls, and by the last complete month is what the facts say."""
    key, place = ("vintage_month",), ("vintage_month", "region_id", "mob")
    expected = sums(cohorts, key)
    yield compared(VINTAGE, "the disbursed contracts", key, expected, sums(rows.filter(_.mob == 0), key, COHORT), COHORT)
    last = rows.filter(_.is_mature).mutate(last_mob=_.mob.max().over(ibis.window(group_by="vintage_month")))
    yield compared(VINTAGE, "the facts of contracts", key, expected, sums(last.filter(_.mob == _.last_mob), key, EVER), EVER)
    in_order = ibis.window(group_by=("vintage_month", "region_id", "product_type_id"), order_by="mob")
    falls = {f"fallen_{name}": ibis.greatest(rows[name].lag().over(in_order) - rows[name], 0).fill_null(0) for name in EVER}
    fallen = rows.mutate(**falls).filter(ibis.or_(*(_[name] != 0 for name in falls)))
    yield compared(VINTAGE, "the month on book before", place, {}, sums(fallen, place, falls), falls)


def _roll_rates(rows: ir.Table, portfolio: ir.Table) -> Iterator["AuditResult"]:
    """Moves out of a bucket add up to the bucket, their shares to 1, and no bucket holds more than the portfolio."""
    measures = ("contract_count", "outstanding_principal_amount", "roll_ratio")
    cells = rows.group_by(*FROM).agg(
        contract_count=_.contract_count.sum(),
        outstanding_principal_amount=_.outstanding_principal_amount.sum(),
        roll_ratio=_.roll_ratio.sum().round(9),
        whole_contract_count=_.from_contract_count.max(),
        whole_outstanding_principal_amount=_.from_outstanding_principal_amount.max(),
    )
    whole_ratio = ibis.ifelse(cells.whole_outstanding_principal_amount > 0, 1.0, 0.0)
    wrong = cells.mutate(whole_roll_ratio=whole_ratio).filter(ibis.or_(*(_[name].fill_null(0) != _[f"whole_{name}"] for name in measures)))
    expected, found = {}, {}
    for row in wrong.to_pyarrow().to_pylist():
        place = tuple(row[name] for name in FROM)
        expected[place], found[place] = {name: row[f"whole_{name}"] for name in measures}, row
    yield compared(ROLL, "its own buckets", FROM, expected, found, measures)
    place, measure = PORTFOLIO_BY_REGION_MONTH.grain, "open_contract_count"
    held = sums(portfolio, place, (measure,))
    moved = sums(cells.rename({measure: "whole_contract_count"}), place, (measure,))
    limits = {key: {measure: min(row[measure], held.get(key, {measure: 0})[measure])} for key, row in moved.items()}
    yield compared(ROLL, "the open contracts at most", place, limits, moved, (measure,))


def _histories(rows: ir.Table, portfolio: ir.Table, book: Sums) -> Iterator["AuditResult"]:
    """Clients add up to the portfolio: what they owed region by region, what fell due month by month."""
    region, owed = ("month_on", "region_id"), ("open_contract_count", "overdue_amount", "outstanding_principal_amount")
    yield compared(CLIENTS, PORTFOLIO_BY_REGION_MONTH.name, region, sums(portfolio, region, owed), sums(rows, region, owed), owed)
    then = {"then_due_amount": rows.due_amount, "then_paid_amount": rows.paid_amount, "then_penalty_amount": rows.penalty_amount}
    yield compared(CLIENTS, "the curated facts", ("month_on",), book, sums(rows.mutate(**then), ("month_on",), HISTORY), HISTORY)


def _movements(rows: ir.Table, book: Sums) -> Iterator["AuditResult"]:
    """What was outstanding and what moved it give what is outstanding, month by month; so do the sums of the facts."""
    key, measures = ("month_on",), (OUTSTANDING, "new_principal_amount", "written_off_principal_amount", "sold_principal_amount")
    found = sums(rows, key, measures)
    explained = sums(rows.mutate(explained=sum(rows[name] for name in ADDED) - sum(rows[name] for name in TAKEN)), key, ("explained",))
    yield compared(
        MOVEMENT,
        "its own movements",
        key,
        {place: {OUTSTANDING: row["explained"]} for place, row in explained.items()},
        found,
        (OUTSTANDING,),
    )
    yield compared(MOVEMENT, "the curated facts", key, book, found, measures)


def _restatements(rows: ir.Table, portfolio: ir.Table, movement: ir.Table) -> Iterator["AuditResult"]:
    """Changes begin with what the portfolio reported, and end with what is known now."""
    key, changed = ("month_on",), rows.filter(_.measure == OUTSTANDING)
    restated = {place: {OUTSTANDING: row["restated_amount"]} for place, row in sums(movement, key, ("restated_amount",)).items()}
    found = sums(changed.rename(kept="measure").rename({OUTSTANDING: "change_amount"}), key, (OUTSTANDING,))
    yield compared(RESTATED, MOVEMENT, key, restated, found, (OUTSTANDING,))
    cell = PORTFOLIO_BY_REGION_MONTH.grain
    first = rows.filter(rows.known_on == rows.known_on.min().over(group_by=(*cell, "measure")), _.measure.isin(REPORTED))
    expected: dict[tuple, dict[str, Any]] = {}
    told: dict[tuple, dict[str, Any]] = {}
    for row in first.to_pyarrow().to_pylist():
        told.setdefault(tuple(row[name] for name in cell), {})[row["measure"]] = row["value_before"]
    held = sums(portfolio.semi_join(first, cell), cell, REPORTED)
    for place, values in told.items():
        expected[place] = {name: held.get(place, {}).get(name) for name in values}
    yield compared(RESTATED, PORTFOLIO_BY_REGION_MONTH.name, cell, expected, told, REPORTED)
