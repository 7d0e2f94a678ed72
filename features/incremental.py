"""Which clients can have another feature row on a date than on an earlier one: what lets a day cost as much as its changed clients.

Between two dates of one calendar month a row changes for two reasons: something about the client became known, or a date came that a
definition asks about (a due date, the start of a window, an unpaid installment that is a day older). Months begin a new computation, since
features that count calendar months change for every client. All rules err towards naming too many clients, never too few.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse import clock
from warehouse.curated.staged import Staged
from warehouse.curated.values import nullable
from warehouse.table import TIMESTAMP
from warehouse.terms import FPD_DAYS, Terms


def can_follow(staged: Staged, since: date, day: date, terms: Terms) -> bool:
    """Whether the rows of a date can be made from those of an earlier one and the touched clients.

    Args:
        staged: the staging tables.
        since: the earlier date.
        day: the date.
        terms: the lender's time zone.
    """
    if (since.year, since.month) != (day.year, day.month):
        return False
    became_known = partial(_became_known, since=since, day=day, terms=terms)
    return not any(table.filter(became_known(table)).count().to_pyarrow().as_py() for table in (staged.product_types, staged.products))


def touched_clients(staged: Staged, before: ir.Table, since: date, day: date, terms: Terms, months: Sequence[int]) -> ir.Table:
    """Clients whose row as of a date may differ from their row as of an earlier date, other than by its timestamps.

    Grain: one row per client_id.

    Args:
        staged: the staging tables.
        before: the feature rows as of the earlier date.
        since: the earlier date; of the same calendar month.
        day: the date.
        terms: the lender's time zone.
        months: the windows that features look at.
    """
    contracts = _union(*_contracts_of_new_rows(staged, since, day, terms), *_contracts_by_date(staged, since, day, months))
    owing = before.filter(_.unpaid_installment_count > 0).select("client_id")
    named = staged.clients.filter(_became_known(staged.clients, since, day, terms)).select("client_id")
    # Every client that a contract was ever said to belong to: a correction may have moved it.
    owners = staged.contracts.semi_join(contracts, "contract_number").select("client_id")
    return _union(owners, owing, named)


def _union(*tables: ir.Table) -> ir.Table:
    """The different rows of some tables."""
    return ibis.union(*map(nullable, tables), distinct=True)


def _became_known(table: ir.Table, since: date, day: date, terms: Terms) -> ir.BooleanValue:
    """Rows that were not known at the end of the earlier date and are at the end of the later one."""
    after, until = (ibis.literal(clock.end_of_day(end, terms.time_zone), type=TIMESTAMP) for end in (since, day))
    return (table.known_at > after) & (table.known_at <= until)


def _contracts_of_new_rows(staged: Staged, since: date, day: date, terms: Terms) -> list[ir.Table]:
    """Contracts of rows that became known; a row that changed its contract touches the one before too."""

    def keys(table: ir.Table, key: str) -> ir.Table:
        return table.filter(_became_known(table, since, day, terms)).select(key)

    repayments, installments = staged.repayments, staged.installments
    # By key, since a version that deletes a reversal or a penalty does not name what it was about.
    cancelled = repayments.semi_join(keys(repayments, "repayment_id"), "repayment_id").filter(_.reverses_repayment_id.notnull())
    repaid = _union(keys(repayments, "repayment_id"), cancelled.select(repayment_id="reverses_repayment_id"))
    charged = staged.penalties.semi_join(keys(staged.penalties, "penalty_id"), "penalty_id").select("installment_id")
    scheduled = _union(keys(installments, "installment_id"), charged)
    return [
        keys(staged.contracts, "contract_number"),
        keys(staged.contract_status_history, "contract_number"),
        repayments.semi_join(repaid, "repayment_id").select("contract_number"),
        installments.semi_join(scheduled, "installment_id").select("contract_number"),
    ]


def _contracts_by_date(staged: Staged, since: date, day: date, months: Sequence[int]) -> list[ir.Table]:
    """Contracts with a date that a definition asks about, at its place or at the edge of a window."""
    starts = [(clock.window_start(since, count), clock.window_start(day, count)) for count in months]
    today = (since, day)
    due = (since - timedelta(days=1), day)  # what is overdue counts from the day after the due date, settled within the tolerance or not
    # Days past due of a settled installment end the day before it, so a run leaves a window a day after its end is settled.
    edges = [today, *((start, end + timedelta(days=1)) for start, end in starts)]
    ahead = (
        clock.window_start(since, -1),
        clock.window_start(day, -1),
    )  # the ends of the month ahead, as in the ledger of what is scheduled
    judged = (since - timedelta(days=FPD_DAYS), day - timedelta(days=FPD_DAYS))
    installments, contracts, statuses = staged.installments, staged.contracts, staged.contract_status_history
    last_due = clock.add_months_on(installments.due_date, 1)  # of the last installment, when there is no next one
    coarse = (since - timedelta(days=32), day - timedelta(days=27))
    # A status without a day of its own, and a penalty of an unsettled installment, are dated by their delivery.
    said_on = ibis.coalesce(contracts.last_status_change_date, contracts.business_date)
    charged = (installments.penalty_amount > 0).fill_null(False) & _within(installments.business_date, edges)
    paid = staged.repayments.filter(_within(staged.repayments.repayment_date, edges))
    # A reversal takes effect on its own day, on a repayment that may be of another contract.
    cancelled = paid.filter(_.reverses_repayment_id.notnull()).select(repayment_id="reverses_repayment_id")
    penalized = staged.penalties.filter(_within(staged.penalties.penalty_date, edges)).select("installment_id")
    return [
        installments.filter(
            _within(installments.due_date, [due, *starts, ahead, judged])
            | (_within(installments.due_date, [coarse]) & _within(last_due, [today]))
            | charged
        ).select("contract_number"),
        installments.semi_join(penalized, "installment_id").select("contract_number"),
        paid.select("contract_number"),
        staged.repayments.semi_join(cancelled, "repayment_id").select("contract_number"),
        statuses.filter(_within(statuses.status_date, edges)).select("contract_number"),
        contracts.filter(_within(contracts.start_date, edges) | _within(said_on, edges)).select("contract_number"),
    ]


def _within(column: ir.DateColumn, ranges: Sequence[tuple[date, date]]) -> ir.BooleanValue:
    """Whether a date lies in one of some ranges, each without its start and with its end."""
    inside = [(column > start) & (column <= end) for start, end in ranges]
    return ibis.or_(*inside).fill_null(False)
