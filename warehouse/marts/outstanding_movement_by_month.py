"""marts.outstanding_movement_by_month: what moved the outstanding principal from one month end to the next, to the last unit of money.

    outstanding = opening + new - paid - written off - sold - released + returned + redated + correction

Opening and outstanding are what was reported at the two month ends. Everything between is valued at the release and lands in its own month;
so what was reported too high or too low, because it was not known yet, is a correction. Corrections are not what is left over: they are the
later versions of month rows, which positions work out from the facts that became known late.

One term is left over, of few contracts: a reversal undoes a payment from its own date on, and an end without a date of its own is moved by
the settlement, so that what a month end shows of them is not in the facts of the release. It is 0 for every other contract.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse import clock
from warehouse.curated.statuses import SETTLED_STATUSES
from warehouse.curated.values import filled, lookup
from warehouse.marts.measures import in_month, summed
from warehouse.marts.open_spells import open_spells, principal_paid
from warehouse.table import MONEY, TableSpec, columns

MONTH = ("month_on",)
FLAGGED = ("month_on", "is_movable")
CONTRACT_MONTH = ("contract_number", "month_on")
ADDED = ("opening_principal_amount", "new_principal_amount", "returned_principal_amount", "redated_amount", "correction_amount")
TAKEN = ("principal_paid_amount", "written_off_principal_amount", "sold_principal_amount", "released_principal_amount")
LEVELS = ("outstanding_principal_amount", "restated_amount")
EVENTS = ("new_principal_amount", "returned_principal_amount", *TAKEN)

OUTSTANDING_MOVEMENT_BY_MONTH = TableSpec(
    name="marts.outstanding_movement_by_month",
    description="What moved the outstanding principal of the whole book from one month end to the next.",
    grain=MONTH,
    columns=columns(
        [
            ("month_on", "date", "Last calendar day of the month."),
            ("as_of_on", "date", "month_on, or the business date in the open month."),
            ("is_complete_month", "boolean", "The month had ended by the business date."),
            ("opening_principal_amount", MONEY, "Outstanding principal of the month end before, as reported then.", {"bounds": (0, None)}),
            ("new_principal_amount", MONEY, "Principal of contracts started in the month.", {"bounds": (0, None)}),
            ("principal_paid_amount", MONEY, "Principal paid in the month on contracts open then.", {"bounds": (0, None)}),
            ("written_off_principal_amount", MONEY, "Principal owed at write-offs of the month.", {"bounds": (0, None)}),
            ("sold_principal_amount", MONEY, "Principal owed at sales of the month.", {"bounds": (0, None)}),
            (
                "released_principal_amount",
                MONEY,
                "Principal owed when contracts left the open book in another way: paid off or closed with a rest, cancelled, never opened.",
                {"bounds": (0, None)},
            ),
            (
                "returned_principal_amount",
                MONEY,
                "Principal owed by contracts that came into the open book otherwise than at their start, or were lost outside of it.",
                {"bounds": (0, None)},
            ),
            (
                "redated_amount",
                MONEY,
                "Of contracts with a reversed repayment or an end dated by settlement: what month ends show less what the events say.",
            ),
            ("correction_amount", MONEY, "restated_amount of the month before less that of this one."),
            ("outstanding_principal_amount", MONEY, "Outstanding principal at as_of_on, as reported.", {"bounds": (0, None)}),
            ("restated_amount", MONEY, "What is known of it now less what was reported, by later versions of the month's rows."),
        ]
    ),
)


def outstanding_movement_by_month(
    months: ir.Table,
    fact_contract_month: ir.Table,
    fact_contract_month_version: ir.Table,
    fact_contract: ir.Table,
    fact_contract_status: ir.Table,
    fact_repayment: ir.Table,
) -> ir.Table:
    """Movements of the outstanding principal.

    Grain: one row per month_on with an amount that is not 0.

    Args:
        months: as from `warehouse.marts.attribution.mart_months`.
        fact_contract_month: curated.fact_contract_month.
        fact_contract_month_version: curated.fact_contract_month_version.
        fact_contract: curated.fact_contract.
        fact_contract_status: curated.fact_contract_status.
        fact_repayment: curated.fact_repayment.

    Returns:
        The columns of OUTSTANDING_MOVEMENT_BY_MONTH.
    """
    movable = _movable(fact_contract_status, fact_repayment)
    levels = [_reported(fact_contract_month.semi_join(months, MONTH)), _restated(fact_contract_month, fact_contract_month_version)]
    parts = [
        *(_by_month(_flagged(level, movable), **{name: _[name]}) for name, level in zip(LEVELS, levels, strict=True)),
        *_events(months, fact_contract, fact_contract_status, fact_repayment, movable),
    ]
    rows = summed(parts, FLAGGED)
    before = ibis.window(order_by="month_on")
    moved = (
        lookup(months.drop("month_start_on"), rows.group_by(*MONTH).agg(**_sums(rows)), MONTH)
        .mutate(**{name: filled(_[name]) for name in (*LEVELS, *EVENTS, "movable_amount", "movable_net_amount")})
        .mutate(
            opening_principal_amount=filled(_.outstanding_principal_amount.lag().over(before)),
            redated_amount=(_.movable_amount - filled(_.movable_amount.lag().over(before)) - _.movable_net_amount).cast(MONEY),
            correction_amount=(filled(_.restated_amount.lag().over(before)) - _.restated_amount).cast(MONEY),
        )
        .select(*OUTSTANDING_MOVEMENT_BY_MONTH.column_names)
    )
    return moved.filter(ibis.or_(*(moved[name] != 0 for name in moved.columns if name.endswith("_amount"))))


def _movable(fact_contract_status: ir.Table, fact_repayment: ir.Table) -> ir.Table:
    """Contracts of which a month end may show what the events of the release do not say. Grain: contract_number."""
    undone = fact_repayment.filter(_.is_reversed).select("contract_number")
    ended = fact_contract_status.filter(_.is_derived, _.status.isin(SETTLED_STATUSES)).select("contract_number")
    return undone.union(ended, distinct=True).mutate(is_movable=True)


def _flagged(rows: ir.Table, movable: ir.Table) -> ir.Table:
    return lookup(rows, movable, ("contract_number",)).mutate(is_movable=_.is_movable.fill_null(False))


def _sums(rows: ir.Table) -> dict[str, ir.DecimalScalar]:
    """All amounts of a month; of movable contracts what is known now of its end, and what the events make of it."""
    known_now = rows.outstanding_principal_amount + rows.restated_amount
    net = sum(rows[name] for name in EVENTS if name in ADDED) - sum(rows[name] for name in TAKEN)
    return {
        **{name: _total(rows[name]) for name in (*LEVELS, *EVENTS)},
        "movable_amount": known_now.sum(where=rows.is_movable).cast(MONEY),
        "movable_net_amount": net.sum(where=rows.is_movable).cast(MONEY),
    }


def _reported(rows: ir.Table) -> ir.Table:
    """What was outstanding at each month end. Grain: (contract_number, month_on)."""
    return rows.filter(_.status == "Active").select(*CONTRACT_MONTH, "outstanding_principal_amount")


def _restated(first: ir.Table, versions: ir.Table) -> ir.Table:
    """What the newest versions of month rows say less what the first ones said. Grain: (contract_number, month_on), two rows for some."""
    last = versions.known_on == versions.known_on.max().over(group_by=CONTRACT_MONTH)
    newest = versions.filter(last)
    known = ibis.ifelse(newest.is_counted, newest.outstanding_principal_amount, 0).cast(MONEY)
    now = newest.select(*CONTRACT_MONTH, restated_amount=known)
    told = first.semi_join(newest, CONTRACT_MONTH)
    return now.union(told.select(*CONTRACT_MONTH, restated_amount=(-told.outstanding_principal_amount).cast(MONEY)).cast(now.schema()))


def _events(
    months: ir.Table, fact_contract: ir.Table, fact_contract_status: ir.Table, fact_repayment: ir.Table, movable: ir.Table
) -> list[ir.Table]:
    """The movements, each in its month. Grain: FLAGGED, several tables."""
    begun = _flagged(in_month(fact_contract, "start_date", months).drop("month_on", "as_of_on"), movable)
    lost = begun.filter(_.ended_on.notnull()).mutate(lost_amount=_.written_off_principal_amount + _.sold_principal_amount)
    paid = principal_paid(fact_repayment, begun)
    spells = _flagged(open_spells(begun, fact_contract_status, paid), movable)
    # What enters otherwise than by its start, or leaves otherwise than by a loss, balances what the starts and losses do not say.
    at_start = spells.filter(_.opened_on == _.start_date)
    at_loss = spells.select("contract_number", ended_on="closed_on")
    in_spell = (_.paid_on >= _.opened_on) & (_.paid_on <= _.closed_on.fill_null(clock.END))

    def of(rows: ir.Table, event_on: str, **amounts: ir.Value) -> ir.Table:
        return _by_month(in_month(rows, event_on, months), **amounts)

    return [
        of(begun, "start_date", new_principal_amount=_.principal_amount),
        of(paid.join(spells, "contract_number").filter(in_spell), "paid_on", principal_paid_amount=_.amount),
        of(lost, "ended_on", written_off_principal_amount=_.written_off_principal_amount, sold_principal_amount=_.sold_principal_amount),
        of(begun.anti_join(at_start, "contract_number"), "start_date", released_principal_amount=_.principal_amount),
        of(spells.filter(_.closed_on.notnull()), "closed_on", released_principal_amount=_.rest_amount - _.lost_amount),
        of(spells.filter(_.opened_on > _.start_date), "opened_on", returned_principal_amount=_.entry_amount),
        of(lost.anti_join(at_loss, ("contract_number", "ended_on")), "ended_on", returned_principal_amount=_.lost_amount),
    ]


def _by_month(rows: ir.Table, **amounts: ir.Value) -> ir.Table:
    """Amounts by month, of movable contracts apart. Grain: FLAGGED."""
    return rows.group_by(*FLAGGED).agg(**{name: _total(amount) for name, amount in amounts.items()})


def _total(amount: ir.DecimalValue) -> ir.DecimalScalar:
    return amount.sum().cast(MONEY)
