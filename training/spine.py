"""Which clients are asked about, and when: every month end at which a client could still turn bad.

Everything here is read as it was known on that month end. What happened later belongs to labels.py; a condition on it here would choose
the clients by their outcome.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import add_months_on, end_of_day_at, month_end_on
from warehouse.curated.positions import Positions
from warehouse.terms import DEFAULT_DPD, OUTCOME_MONTHS

KEY = ("as_of_on", "client_id")


def spine(at: Positions, time_zone: str) -> ir.Table:
    """Clients at risk: an open contract, under 90 days past due, at least one installment due so far.

    Grain: one row per (as_of_on, client_id).

    Args:
        at: positions on month ends, as known on each of them.
        time_zone: of the lender's business dates.

    Returns:
        as_of_on, client_id, event_timestamp (end of that business date, UTC), window_end_on (last day of the outcome window), region_id,
        product_type_id and vintage_month of the open contract with the greatest outstanding principal.
    """
    return (
        _clients_at_risk(at)
        .inner_join(_main_contract(at), KEY)
        .inner_join(at.regions, KEY)
        .select(
            "as_of_on",
            "client_id",
            event_timestamp=end_of_day_at(_.as_of_on, time_zone),
            window_end_on=window_end_on(_.as_of_on),
            region_id=_.region_id,
            product_type_id=_.product_type_id,
            vintage_month=_.vintage_month,
        )
    )


def scope(at: Positions, clients: ir.Table) -> ir.Table:
    """The contracts whose outcome decides a client's label: those open on the month end.

    Grain: one row per (as_of_on, contract_number).

    Args:
        at: positions on month ends.
        clients: the spine.

    Returns:
        as_of_on, client_id, contract_number, event_timestamp, window_end_on.
    """
    return (
        at.contracts.filter(_.is_open)
        .select("as_of_on", "client_id", "contract_number")
        .inner_join(clients, KEY)
        .select("as_of_on", "client_id", "contract_number", "event_timestamp", "window_end_on")
    )


def window_end_on(as_of_on: ir.DateValue) -> ir.DateValue:
    """The last day of the outcome window; a window of a month end ends on one."""
    end = add_months_on(as_of_on, OUTCOME_MONTHS)
    return ibis.ifelse(as_of_on == month_end_on(as_of_on), month_end_on(end), end)


def _clients_at_risk(at: Positions) -> ir.Table:
    contracts = at.contracts.group_by(KEY).aggregate(dpd=_.dpd.max(), open_contract_count=_.is_open.cast("int64").sum())
    due = at.installments.filter(_.is_due).select(KEY).distinct()
    return contracts.filter(_.open_contract_count >= 1, _.dpd < DEFAULT_DPD).semi_join(due, KEY).select(KEY)


def _main_contract(at: Positions) -> ir.Table:
    largest_first = ibis.window(group_by=KEY, order_by=[ibis.desc("outstanding_principal_amount"), ibis.asc("contract_number")])
    return (
        at.contracts.filter(_.is_open)
        .mutate(position=ibis.row_number().over(largest_first))
        .filter(_.position == 0)
        .select(*KEY, "product_type_id", vintage_month=_.start_date.truncate("M").cast("date"))
    )
