"""repayments: which contract a repayment pays, and what a reversal may cancel."""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.staging.references import Held, look_up, versions_of
from warehouse.staging.rules import broken


def repayments(rows: ir.Table, held: Held) -> ir.Table:
    """Repayments with the contract that they pay, and the marks of their dates, references and signs.

    A named installment decides the contract, even against the named contract. If the installment is missing but the contract is held,
    the contract is paid. A reversal that names neither belongs to the contract of what it cancels. The installment is kept as delivered.
    """
    resolved = _with_contract(_with_reversed(rows, held), held)
    is_orphan = resolved.parent_key.isnull() & ~resolved.is_deleted
    amount_is_wrong = (resolved.repayment_amount < 0) & resolved.reverses_repayment_id.isnull()
    names_installment = resolved.installment_id.notnull()
    names_contract = resolved.contract_number.notnull() & ~names_installment
    return resolved.mutate(
        event_on=resolved.repayment_date,
        contract_number=resolved.parent_key.fill_null(resolved.contract_number),
        faults=resolved.faults
        + broken(amount_is_wrong, "negative_amount", "repayment_amount")
        + broken(resolved.repayment_date > resolved.business_date, "future_date", "repayment_date")
        + broken(resolved.repayment_date < resolved.start_date, "before_start_date", "repayment_date")
        + broken(resolved.is_of_reversal, "reversal_of_reversal", "reverses_repayment_id"),
        waits=resolved.waits
        + broken(is_orphan & names_installment, "orphan", "installment_id")
        + broken(is_orphan & names_contract, "orphan", "contract_number")
        + broken(
            is_orphan & ~names_installment & ~names_contract & resolved.reverses_repayment_id.notnull(), "orphan", "reverses_repayment_id"
        ),
    ).drop("parent_key", "start_date", "is_of_reversal", "named_contract")


def _with_reversed(rows: ir.Table, held: Held) -> ir.Table:
    """named_contract: of the installment, else as delivered, else of the repayment that is reversed; is_of_reversal."""
    versions = versions_of(held("installments"), "installment_id", {"installment_contract": "contract_number"})
    named = look_up(rows, "installment_id", versions).drop("parent_key")
    named = named.mutate(named_contract=ibis.coalesce(named.installment_contract, named.contract_number)).drop("installment_contract")
    sound = named.filter(_.faults == "", ~_.is_deleted)
    targets = sound.group_by(target=_.repayment_id).agg(
        target_is_reversal=_.reverses_repayment_id.notnull().all(),
        target_contract=_.named_contract.min(),
    )
    joined = named.left_join(targets, named.reverses_repayment_id == targets.target)
    return joined.mutate(
        named_contract=ibis.coalesce(joined.named_contract, joined.target_contract),
        is_of_reversal=joined.target_is_reversal.fill_null(False),
    ).drop("target", "target_is_reversal", "target_contract")


def _with_contract(named: ir.Table, held: Held) -> ir.Table:
    """parent_key: the held contract that is paid, and its start_date."""
    return look_up(named, "named_contract", versions_of(held("contracts"), "contract_number", {"start_date": "start_date"}))


def waiting_reversals(judged: ir.Table, held: Held) -> ir.Table:
    """Reversals wait until what they cancel is held; this is known only after the keys of all repayments are judged."""
    originals = (
        judged.filter(_.disposition == "accepted", ~_.is_deleted, _.reverses_repayment_id.isnull())
        .select(original=_.repayment_id)
        .distinct()
    )
    joined = judged.left_join(originals, judged.reverses_repayment_id == originals.original)
    waits = (joined.disposition == "accepted") & joined.reverses_repayment_id.notnull() & joined.original.isnull()
    return joined.mutate(
        waits=joined.waits + broken(waits, "orphan", "reverses_repayment_id"),
        disposition=ibis.ifelse(waits, "parked", joined.disposition),
    ).drop("original")
