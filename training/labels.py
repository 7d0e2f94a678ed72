"""What happened in the twelve months after: default, indeterminate, good, or not known yet.

The label lives here and not in features, so that no feature can import the future. A row whose window is not over is null even when the
default is already seen: counting early defaults but not early goods would bias the newest cohorts.
"""

from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
from ibis import _

from training.spine import KEY
from warehouse.clock import add_months, month_end, month_ends
from warehouse.curated.positions import Positions, peak_dpd
from warehouse.curated.values import lookup
from warehouse.terms import DEFAULT_DPD, INDETERMINATE_DPD, MATURITY_DAYS, OUTCOME_MONTHS

IMMATURE, REACHED_90, WRITTEN_OFF, SOLD, INDETERMINATE = "immature", "dpd_90", "written_off", "sold", "indeterminate"
REASONS = (IMMATURE, REACHED_90, WRITTEN_OFF, SOLD, INDETERMINATE)  # in the order in which they are matched; a good client has none


def mature_cohorts(first: date, label_on: date) -> list[date]:
    """Month ends, from the month of a date on, whose outcome window and booking lag are over by the label date."""
    return [day for day in month_ends(first, label_on) if _window_end(day) + timedelta(days=MATURITY_DAYS) <= label_on]


def labels(members: ir.Table, outcome: Positions, events: ir.Table, label_on: date, indeterminate_as_good: bool = False) -> ir.Table:
    """The label of each client and month end.

    Grain: one row per (as_of_on, client_id) of the scope.

    Args:
        members: spine.scope.
        outcome: positions on the label date.
        events: status events known on the label date, such as outcome.events: contract_number, status, status_date, known_at.
        label_on: the label date, up to which all knowledge counts.
        indeterminate_as_good: count a worst dpd of 30 to 89 as good instead of leaving the row out; for sensitivity runs.

    Returns:
        as_of_on, client_id, max_dpd (worst day of the window, null if immature), is_default int8?, label_reason text? (REASONS; null for a
        good client).
    """
    clients = members.group_by(KEY).aggregate(window_end_on=_.window_end_on.max())
    facts = lookup(lookup(clients, _worst_day(members, outcome, label_on), KEY), _losses(members, events), KEY)
    is_mature = _is_mature(facts.window_end_on, label_on)
    max_dpd = facts.max_dpd.fill_null(0)
    reason = ibis.cases(
        (~is_mature, IMMATURE),
        (max_dpd >= DEFAULT_DPD, REACHED_90),
        (facts.is_written_off.fill_null(False), WRITTEN_OFF),
        (facts.is_sold.fill_null(False), SOLD),
        (max_dpd >= INDETERMINATE_DPD, INDETERMINATE),
        else_=ibis.null("string"),
    )
    good = ibis.literal(0, "int8") if indeterminate_as_good else ibis.null("int8")
    return facts.mutate(label_reason=reason).select(
        *KEY,
        max_dpd=ibis.ifelse(is_mature, max_dpd, ibis.null("int64")),
        is_default=ibis.cases(
            (_.label_reason == IMMATURE, ibis.null("int8")),
            (_.label_reason == INDETERMINATE, good),
            (_.label_reason.notnull(), ibis.literal(1, "int8")),
            else_=ibis.literal(0, "int8"),
        ),
        label_reason=_.label_reason,
    )


def _worst_day(members: ir.Table, outcome: Positions, label_on: date) -> ir.Table:
    """Greatest dpd of a contract in scope on a day of the window, as known on the label date."""
    windows = members.filter(_is_mature(_.window_end_on, label_on)).select(
        "contract_number",
        "client_id",
        as_of_on=ibis.literal(label_on),
        from_on=_.as_of_on,
        to_on=_.window_end_on,
    )
    return peak_dpd(outcome, windows).group_by(as_of_on=_.from_on, client_id=_.client_id).aggregate(max_dpd=_.max_dpd.max())


def _losses(members: ir.Table, events: ir.Table) -> ir.Table:
    """Write-offs and sales by the window's end that were not yet known on the month end."""
    known = events.select("contract_number", "status", "status_date", "known_at")
    happened = members.inner_join(known, "contract_number").filter(
        _.status_date <= _.window_end_on,
        (_.status_date > _.as_of_on) | (_.known_at > _.event_timestamp),
    )
    return happened.group_by(KEY).aggregate(
        is_written_off=(_.status == "Written Off").any(),
        is_sold=(_.status == "Sold").any(),
    )


def _is_mature(window_end: ir.DateValue, label_on: date) -> ir.BooleanValue:
    return window_end <= ibis.literal(label_on - timedelta(days=MATURITY_DAYS))


def _window_end(day: date) -> date:
    end = add_months(day, OUTCOME_MONTHS)
    return month_end(end) if day == month_end(day) else end
