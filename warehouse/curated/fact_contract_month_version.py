"""curated.fact_contract_month_version: what was known later of contracts at month ends, by the day on which it became known.

fact_contract_month keeps what was known at each month end and never changes. A row here is the next version of such a row: the same
contract and month end with the knowledge of a later day. Together they say what was known of a month on any day since, and what is known
now.
"""

from collections.abc import Iterator

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import month_end_on
from warehouse.curated.fact_contract_month import FACT_CONTRACT_MONTH, with_current_region
from warehouse.table import Column, TableSpec, columns

MONTH = ("contract_number", "month_on")
VALUES = tuple(name for name in FACT_CONTRACT_MONTH.column_names if name not in MONTH)
COMPARED = tuple(name for name in VALUES if name != "region_current_map_id")  # follows from another column and today's map


def _columns() -> Iterator[Column]:
    declared = {column.name: column for column in FACT_CONTRACT_MONTH.columns}
    yield from (declared[name] for name in MONTH)
    yield from columns(
        (
            ("known_on", "date", "Business date on which this became known, after month_on."),
            ("is_counted", "boolean", "The contract ran in the month, as known then; if not, the values are those of the version before."),
        )
    )
    yield from (declared[name] for name in VALUES)
    yield from columns([("known_month_on", "date", "Last day of the month of known_on.")])


FACT_CONTRACT_MONTH_VERSION = TableSpec(
    name="curated.fact_contract_month_version",
    description="Later versions of the rows of fact_contract_month for complete months, each from the day on which it became known.",
    grain=(*MONTH, "known_on"),
    columns=tuple(_columns()),
    partition_by="known_month_on",
)


def fact_contract_month_version(
    fact_contract_month: ir.Table, found: ir.Table, regions_now: ir.Table, stored: ir.Table | None = None
) -> ir.Table:
    """Versions of month rows that differ from the one before.

    Grain: one row per (contract_number, month_on, known_on).

    Args:
        fact_contract_month: curated.fact_contract_month; the first version of each month.
        found: of `warehouse.curated.late_months.late_months`.
        regions_now: region_id, region_current_map_id, as known at the release's business date.
        stored: versions of earlier days than those found; None for none.

    Returns:
        the columns of FACT_CONTRACT_MONTH_VERSION.
    """
    names, types = FACT_CONTRACT_MONTH_VERSION.column_names, FACT_CONTRACT_MONTH_VERSION.nullable_schema()
    concerned = found.select(MONTH).distinct()
    before = [first_known(fact_contract_month)] + ([] if stored is None else [stored.select(names)])
    held = [rows.semi_join(concerned, MONTH).cast(types).mutate(is_new=False) for rows in before]
    in_order = ibis.window(group_by=MONTH, order_by="known_on")
    dated = found.mutate(known_month_on=month_end_on(_.known_on))
    chain = ibis.union(dated.select(names).cast(types).mutate(is_new=True), *held)
    beside = chain.mutate(
        was_counted=_.is_counted.lag().over(in_order).fill_null(False),
        **{f"{name}_before": _[name].lag().over(in_order) for name in COMPARED},
    )
    is_same = ibis.and_(*(_[name].identical_to(_[f"{name}_before"]) for name in COMPARED)) | ~_.is_counted
    news = (
        beside.filter(_.is_new, ~((_.is_counted == _.was_counted) & is_same))
        .mutate(**{name: ibis.ifelse(_.is_counted, _[name], _[f"{name}_before"]) for name in COMPARED})
        .drop("region_current_map_id")
    )
    return with_current_region(news, regions_now).select(names)


def months_as_known(fact_contract_month: ir.Table, fact_contract_month_version: ir.Table, known_by: ir.DateValue | None = None) -> ir.Table:
    """Contracts that ran in each month, as known now or on an earlier day.

    A contract has a row in a month if it had started and had not ended before it. A row of fact_contract_month whose contract had ended
    before the month (its end became known late) is not among them: the month of the end has it.

    Grain: one row per (contract_number, month_on).

    Args:
        fact_contract_month: curated.fact_contract_month.
        fact_contract_month_version: curated.fact_contract_month_version.
        known_by: leave out what became known later; a month that had not ended by then is not there. None for all that is known.

    Returns:
        the columns of FACT_CONTRACT_MONTH.
    """
    first = first_known(fact_contract_month)
    later = fact_contract_month_version.select(first.columns)
    rows = first.union(later)
    if known_by is not None:
        rows = rows.filter(_.known_on <= known_by)
    in_order = ibis.window(group_by=MONTH, order_by="known_on")
    newest = rows.mutate(is_newest=_.known_on.lead().over(in_order).isnull()).filter(_.is_newest, _.is_counted)
    return newest.select(FACT_CONTRACT_MONTH.column_names)


def months_as_known_now(fact_contract_month: ir.Table, fact_contract_month_version: ir.Table) -> ir.Table:
    """months_as_known with all that is known."""
    return months_as_known(fact_contract_month, fact_contract_month_version)


def first_known(fact_contract_month: ir.Table) -> ir.Table:
    """Rows of fact_contract_month as first versions: known on their as-of date, and counted if the contract had not ended before the month.

    Grain: as the input.

    Returns:
        the columns of FACT_CONTRACT_MONTH_VERSION.
    """
    is_counted = _.ended_on.isnull() | (_.ended_on.truncate("M") >= _.month_on.truncate("M"))
    return fact_contract_month.mutate(known_on=_.as_of_on, is_counted=is_counted, known_month_on=_.month_on).select(
        FACT_CONTRACT_MONTH_VERSION.column_names
    )
