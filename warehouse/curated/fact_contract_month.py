"""curated.fact_contract_month: every running contract at each month end, by what was known then.

A row is never restated by a later fact. A contract whose end became known later than it happened therefore has one last row, in the
month in which it became known.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import month_end, months_between
from warehouse.curated.debt_groups import with_debt_groups
from warehouse.curated.positions import Positions, peak_dpd
from warehouse.curated.statuses import AT
from warehouse.curated.values import by_lower_edge, filled, lookup
from warehouse.table import MONEY, TableSpec, columns
from warehouse.terms import DPD_BUCKETS, ENDING_STATUSES, STATUSES, UNKNOWN

FACT_CONTRACT_MONTH = TableSpec(
    name="curated.fact_contract_month",
    description="Contracts at month ends (and the business date in the open month), as known then.",
    grain=("contract_number", "month_on"),
    columns=columns(
        (
            ("contract_number", "string", "Contract key."),
            ("month_on", "date", "Last day of the month."),
            ("client_id", "string", "Client who owes the loan."),
            ("product_code", "string", "Product sold."),
            ("product_type_id", "string", "Kind of product."),
            ("as_of_on", "date", "The month's last day, or the business date in the open month."),
            ("status", "string", "Status then.", {"values": STATUSES}),
            ("dpd", "int64", "Days past due then.", {"bounds": (0, None)}),
            ("dpd_bucket", "string", "Bucket of dpd.", {"values": tuple(name for name, _from in DPD_BUCKETS)}),
            ("max_dpd", "int64", "Greatest days past due on a day of the month.", {"bounds": (0, None)}),
            ("mob", "int64", "Months on book; 0 in the month of disbursement.", {"bounds": (0, None)}),
            ("outstanding_principal_amount", MONEY, "Principal not paid back, of an open contract.", {"bounds": (0, None)}),
            ("overdue_amount", MONEY, "Due before as_of_on and unpaid, of an open contract.", {"bounds": (0, None)}),
            ("due_amount", MONEY, "Of due installments with a due date in the month.", {"bounds": (0, None)}),
            ("paid_amount", MONEY, "Paid on these by then, without penalty.", {"bounds": (0, None)}),
            ("penalty_amount", MONEY, "Penalties dated in the month.", {"bounds": (0, None)}),
            ("written_off_principal_amount", MONEY, "Principal not paid back at the write-off.", {"bounds": (0, None)}),
            ("region_at_origination_id", "string", "Region of the client on the start date."),
            ("region_as_of_month_id", "string", "Region of the client then."),
            ("region_current_map_id", "string", "What that region belongs to on the release's business date, after mergers."),
            ("ended_status", "string?", "Status of the event that ended it, as known then.", {"values": ENDING_STATUSES}),
            ("vn_debt_group", "int32", "Debt group of dpd, 1 to 5.", {"bounds": (1, 5)}),
            ("client_vn_debt_group", "int32", "Worst of that and of the client's open contracts then.", {"bounds": (1, 5)}),
            ("ended_on", "date?", "When it ended, as known then; before the month in its last row if its end became known late."),
        )
    ),
    partition_by="month_on",
)


def contract_months(days: Sequence[date]) -> ir.Table:
    """The months that some as-of dates stand for.

    Grain: one row per as_of_on.

    Args:
        days: month ends, and the business date for the open month.

    Returns:
        as_of_on, month_on (last day), before_on (last day of the month before).
    """
    rows = [{"as_of_on": day, "month_on": month_end(day), "before_on": day.replace(day=1) - timedelta(days=1)} for day in days]
    return ibis.memtable(rows, schema={"as_of_on": "date", "month_on": "date", "before_on": "date"})


def _ended(contracts: ir.Table) -> ir.Table:
    return contracts.filter(_.ended_on.notnull()).select("contract_number", before_on="as_of_on")


def fact_contract_month(
    then: Positions, months: ir.Table, origins: ir.Table, current_map: ir.Table, ended_before: ir.Table | None = None
) -> ir.Table:
    """Contracts that were running in each month, as known at its end.

    Grain: one row per (contract_number, month_on).

    Args:
        then: positions as of every as_of_on of the months.
        months: of contract_months.
        origins: as_of_on, client_id, start_date, region_id; of `warehouse.curated.regions.regions_on`.
        current_map: region_id, region_current_map_id, as known at the release's business date.
        ended_before: of ended_at, at the before_on of the first month; None where nothing had started by then.

    Returns:
        the columns of FACT_CONTRACT_MONTH.
    """
    ended = _ended(then.contracts)
    rows = _running(then.contracts, months, ended if ended_before is None else ended.union(ended_before))
    return month_rows(then, rows, months, origins, current_map)


def month_rows(then: Positions, rows: ir.Table, months: ir.Table, origins: ir.Table, current_map: ir.Table) -> ir.Table:
    """The columns of FACT_CONTRACT_MONTH of some contracts.

    Grain: as the rows.

    Args:
        then: positions as of every as_of_on of the months.
        rows: some of then.contracts, with month_on and before_on of the month.
        months: as fact_contract_month takes them.
        origins: as fact_contract_month takes them.
        current_map: as fact_contract_month takes them.
    """
    valued = lookup(lookup(_peaks(then, rows), _due_in_month(then), AT), _penalties_in_month(then, months), AT)
    placed = lookup(
        lookup(valued, origins.rename(region_at_origination_id="region_id"), ("as_of_on", "client_id", "start_date")),
        then.regions.rename(region_as_of_month_id="region_id"),
        ("as_of_on", "client_id"),
    ).mutate(
        region_at_origination_id=_.region_at_origination_id.fill_null(UNKNOWN),
        region_as_of_month_id=_.region_as_of_month_id.fill_null(UNKNOWN),
    )
    return (
        with_debt_groups(with_current_region(placed, current_map), then.contracts)
        .mutate(
            dpd_bucket=dpd_bucket(_.dpd),
            mob=months_between(_.as_of_on, _.start_date),
            due_amount=filled(_.due_amount),
            paid_amount=filled(_.paid_amount),
            penalty_amount=filled(_.penalty_amount),
        )
        .select(FACT_CONTRACT_MONTH.column_names)
    )


def with_current_region(rows: ir.Table, current_map: ir.Table) -> ir.Table:
    """Add region_current_map_id: what region_as_of_month_id belongs to today; itself if no map names it.

    Grain: as the rows.

    Args:
        rows: with region_as_of_month_id.
        current_map: region_id, region_current_map_id.
    """
    mapped = lookup(rows, current_map.rename(region_as_of_month_id="region_id"), ("region_as_of_month_id",))
    return mapped.mutate(region_current_map_id=_.region_current_map_id.fill_null(_.region_as_of_month_id))


def dpd_bucket(dpd: ir.IntegerValue) -> ir.StringValue:
    """The bucket of days past due; a bucket begins at its lower edge."""
    return by_lower_edge(dpd, DPD_BUCKETS)


def _running(contracts: ir.Table, months: ir.Table, ended: ir.Table) -> ir.Table:
    """Started contracts that had not ended before the month, or of which the month before did not know that they had."""
    had_ended = ended.select("contract_number", "before_on", had_ended=True)
    return lookup(contracts.join(months, "as_of_on"), had_ended, ("before_on", "contract_number")).filter(
        _.is_started,
        _.ended_on.isnull() | (_.ended_on > _.before_on) | _.had_ended.isnull(),
    )


def _peaks(then: Positions, rows: ir.Table) -> ir.Table:
    """Add the greatest dpd of the month's days up to as_of_on."""
    windows = rows.mutate(from_on=_.before_on, to_on=_.as_of_on)
    return peak_dpd(then, windows)


def _due_in_month(then: Positions) -> ir.Table:
    """Due and paid amounts of due installments with a due date in the month, per contract."""
    sums = {name: then.due_in_month[name].sum().cast(MONEY) for name in ("due_amount", "paid_amount")}
    return then.due_in_month.group_by(AT).agg(**sums)


def _penalties_in_month(then: Positions, months: ir.Table) -> ir.Table:
    """Penalties dated in the month, per contract."""
    return (
        then.penalties.join(months, "as_of_on")
        .filter(_.penalty_on > _.before_on)
        .group_by(AT)
        .agg(penalty_amount=_.penalty_amount.sum().cast(MONEY))
    )
