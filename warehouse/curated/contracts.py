"""Contracts as of each date: what was agreed, the status with what follows from it, and the amounts owed.

Amounts come from `warehouse.curated.installments`; everything that depends on the status comes from here. A contract whose start date
lies ahead is held with status New and without amounts.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import add_months_on
from warehouse.curated.as_known import as_named, is_current
from warehouse.curated.ledger import ERA
from warehouse.curated.payment_defaults import is_payment_default
from warehouse.curated.spells import status_at
from warehouse.curated.staged import Staged
from warehouse.curated.statuses import AT, contract_versions
from warehouse.curated.values import filled, lookup, when
from warehouse.terms import EARLY_SETTLEMENT_MIN_DAYS, FROZEN_STATUSES, REFINANCE_DAYS, UNKNOWN


def held_contracts(contracts: ir.Table, settlements: ir.Table, asked: ir.Table) -> ir.Table:
    """Contract rows as known at each date, and when all installments were settled.

    Grain: one row per (as_of_on, contract_number).

    Args:
        contracts: staging.contracts.
        settlements: of settlements.
        asked: as_of_on, contract_number, era_on, known_until.
    """
    held = (
        asked.join(contract_versions(contracts), "contract_number")
        .filter(lambda row: is_current(row, row.known_until))
        .select(
            *AT,
            "era_on",
            "known_until",
            "known_at",
            "life",
            "client_id",
            "product_code",
            "interest_amount",
            "fee_amount",
            "start_date",
            principal_amount=filled(_.principal_amount),
            tenor_months=_.tenor,
            is_started=_.start_date <= _.as_of_on,
        )
    )
    is_settled = _.settlement_on <= _.as_of_on
    return lookup(held, settlements, ERA).mutate(
        installment_count=_.installment_count.fill_null(0),
        settlement_on=when(is_settled, _.settlement_on),
        settlement_known_at=when(is_settled, _.settlement_known_at),
    )


def contracts_at(held: ir.Table, spells: ir.Table, originals: ir.Table) -> ir.Table:
    """Add to held contracts the status at each date, how they ended, and the original schedule.

    Grain: one row per (as_of_on, contract_number).

    Args:
        held: of held_contracts.
        spells: of status_spells.
        originals: of original_schedules.
    """
    return _with_original(_with_status(held, status_at(spells)), originals)


def judged_contracts(standings: ir.Table, dates: ir.Table, types: ir.Table) -> ir.Table:
    """Contracts as of each date, except their amounts: standings with the product type then, is_fpd30 and is_refinanced.

    Grain: one row per (as_of_on, contract_number).

    Args:
        standings: of Standings.contracts.
        dates: of standing_dates.
        types: of product_types.
    """
    needless = ("era_on", "known_until", "life", "settlement_on", "settlement_known_at")
    held = dates.join(standings.drop(*needless).rename(run_on="as_of_on"), ("run_on", "contract_number"))
    typed = lookup(held, types, ("as_of_on", "product_code")).mutate(
        product_code=ibis.ifelse(_.product_type_id.isnull(), UNKNOWN, _.product_code),
        product_type_id=_.product_type_id.fill_null(UNKNOWN),
        product_type_name=_.product_type_name.fill_null(UNKNOWN),
    )
    return _with_refinanced(_with_first_payment(typed))


def product_types(staged: Staged, as_ofs: ir.Table) -> ir.Table:
    """Product type of each product as known at each date; Unknown if the type is not known itself.

    Grain: one row per (as_of_on, product_code).

    Returns:
        the grain, product_type_id, product_type_name (null if the type is not known).
    """
    products = as_named(staged.products, "product_code", as_ofs).select("as_of_on", "product_code", "product_type_id")
    types = as_named(staged.product_types, "product_type_id", as_ofs)
    types = types.select("as_of_on", "product_type_id", "product_type_name", is_held=True)
    return lookup(products, types, ("as_of_on", "product_type_id")).select(
        "as_of_on",
        "product_code",
        "product_type_name",
        product_type_id=ibis.ifelse(_.is_held.notnull(), _.product_type_id, UNKNOWN),
    )


def _with_status(held: ir.Table, statuses: ir.Table) -> ir.Table:
    """Add status, end and close reason; New while nothing has happened or the contract has not started."""
    reason = ibis.coalesce(_.reason, ibis.ifelse(_.settlement_on.notnull(), "paid", "unknown"))
    return (
        lookup(held, statuses, AT)
        .mutate(
            status=ibis.coalesce(when(_.is_started, _.status), "New"),
            status_on=ibis.coalesce(when(_.is_started, _.status_on), _.start_date),
            ended_on=when(_.is_started, _.ended_on),
            ended_status=when(_.is_started, _.ended_status),
            is_frozen=(_.is_started & _.is_frozen).fill_null(False),
        )
        .mutate(
            close_reason=when(_.status == "Close", reason),
            is_open=_.status == "Active",
            is_disbursed=_.is_started & _.status.notin(("New", "Cancel")),
        )
    )


def original_schedules(installments: ir.Table) -> ir.Table:
    """First and last due date of the original schedule: the rows of the first business date that delivered any.

    Grain: one row per contract_number.

    Args:
        installments: staging.installments.

    Returns:
        contract_number, first_due_date, last_row_on, row_count, schedule_known_at.
    """
    rows = installments.filter(~_.is_deleted)
    first = rows.group_by("contract_number").agg(business_date=_.business_date.min())
    return (
        rows.semi_join(first, ("contract_number", "business_date"))
        .group_by("contract_number")
        .agg(
            first_due_date=_.due_date.min(),
            last_row_on=_.due_date.max(),
            row_count=_.count(),
            schedule_known_at=_.known_at.min(),
        )
    )


def _with_original(contracts: ir.Table, originals: ir.Table) -> ir.Table:
    """Add first and last due date of the original schedule; rows that are fewer than the tenor leave the last one to the calendar."""
    is_known = _.schedule_known_at <= _.known_until
    is_short = _.row_count < _.tenor_months
    return (
        lookup(contracts, originals, ("contract_number",))
        .mutate(first_due_date=when(is_known, _.first_due_date))
        .mutate(
            last_due_date=when(
                is_known,
                ibis.ifelse(is_short, add_months_on(_.first_due_date, _.tenor_months - 1), _.last_row_on),
            ),
        )
        .drop("last_row_on", "row_count", "schedule_known_at")
    )


def _with_first_payment(contracts: ir.Table) -> ir.Table:
    """Add is_fpd30: the payment default of the first installment."""
    is_fpd30 = is_payment_default(_.first_installment_due_on, _.first_installment_settled_on)
    return contracts.mutate(is_fpd30=is_fpd30).drop("first_installment_due_on", "first_installment_settled_on")


def with_early_settlement(contracts: ir.Table) -> ir.Table:
    """Add is_early_settled and its day: all settled, or Paid-off, or closed as paid, well before the original last due date."""
    is_paid_end = ~(_.has_cancel | _.ended_status.isin(FROZEN_STATUSES)).fill_null(False)
    limit = (_.last_due_date - ibis.interval(days=EARLY_SETTLEMENT_MIN_DAYS)).cast("date")
    return (
        contracts.mutate(paid_on=ibis.least(_.settlement_on, _.paid_off_on, when(_.close_reason == "paid", _.closed_on)))
        .mutate(is_early_settled=(_.is_started & is_paid_end & (_.paid_on < limit)).fill_null(False))
        .mutate(early_settled_on=when(_.is_early_settled, _.paid_on))
        .drop("paid_on", "has_cancel", "paid_off_on", "closed_on", "reason")
    )


def _with_refinanced(contracts: ir.Table) -> ir.Table:
    """Add is_refinanced: another disbursed contract of the client starts within 7 days of the early settlement."""
    settled = contracts.filter(_.is_early_settled).select(*AT, "client_id", "early_settled_on")
    other = contracts.filter(_.is_disbursed).select("as_of_on", "client_id", other_number="contract_number", other_start_on="start_date")
    span = ibis.interval(days=REFINANCE_DAYS)
    refinanced = (
        settled.join(other, ("as_of_on", "client_id"))
        .filter(
            _.other_number != _.contract_number,
            _.other_start_on >= _.early_settled_on - span,
            _.other_start_on <= _.early_settled_on + span,
        )
        .select(*AT, is_refinanced=True)
        .distinct()
    )
    return lookup(contracts, refinanced, AT).mutate(is_refinanced=_.is_refinanced.fill_null(False))
