"""repayments: which contract a repayment pays, and what a reversal may cancel."""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.sources.repayments import REPAYMENTS
from warehouse.staging.references import Context, counting, look_up, versions_of
from warehouse.staging.rules import broken
from warehouse.staging.scratch import Scratch
from warehouse.staging.typed import is_sound
from warehouse.staging.versions import decisions

KEY = "repayment_id"


def repayments(rows: ir.Table, context: Context, scratch: Scratch) -> ir.Table:
    """Repayments with the contract that they pay, and the marks of their dates, references and signs.

    A named installment decides the contract, even against the named contract. If the installment is missing but the contract is held,
    the contract is paid. A reversal that names neither belongs to the contract of what it cancels. The installment is kept as delivered.
    A reversal waits until what it cancels is held, and cancels no reversal.
    """
    paying = scratch.keep(_paying(rows, context))
    originals = paying.filter(paying.reverses_repayment_id.isnull())
    reversals = paying.filter(paying.reverses_repayment_id.notnull())
    first = scratch.keep(_reversing(reversals, originals, context, scratch))
    judged = _not_twice(first, context, scratch)
    return originals.union(judged.select(originals.columns))


def _paying(rows: ir.Table, context: Context) -> ir.Table:
    """Repayments with contract_number resolved, and all marks but those of a reversal's target."""
    named = look_up(rows, "installment_id", context, "installments", "installment_id", {"installment_contract": "contract_number"})
    named = named.mutate(
        paid_contract=ibis.coalesce(named.installment_contract, named.contract_number),
        is_unknown=named.installment_id.notnull() & named.parent_key.isnull(),
    )
    found = look_up(named.drop("parent_key"), "paid_contract", context, "contracts", "contract_number", {"contract_start": "start_date"})
    is_orphan = found.parent_key.isnull() & ~found.is_deleted
    names_installment = found.installment_id.notnull()
    names_contract = found.contract_number.notnull()
    amount_is_wrong = (found.repayment_amount < 0) & found.reverses_repayment_id.isnull()
    return found.mutate(
        event_on=found.repayment_date,
        contract_number=found.parent_key.fill_null(found.contract_number),
        faults=found.faults
        + broken(amount_is_wrong, "negative_amount", "repayment_amount")
        + broken(found.repayment_date > found.business_date, "future_date", "repayment_date")
        + broken(found.repayment_date < found.contract_start, "before_start_date", "repayment_date"),
        waits=found.waits
        + broken(is_orphan & names_installment, "orphan", "installment_id")
        + broken(is_orphan & names_contract, "orphan", "contract_number"),
        # A note, since it is told of refused rows too: when the installment comes, they may pay another contract.
        notes=found.notes + broken(found.is_unknown & ~is_orphan, "unknown_installment", "installment_id"),
    ).drop("installment_contract", "paid_contract", "is_unknown", "parent_key", "contract_start")


def _reversing(reversals: ir.Table, originals: ir.Table, context: Context, scratch: Scratch) -> ir.Table:
    """Reversals with the contract of what they cancel, if they name none; they wait for it unless it is held."""
    before = context.before()
    targets = scratch.keep(_accepted(originals, before.filter(before.reverses_repayment_id.isnull()), reversals, context))
    found = counting(reversals, "reverses_repayment_id", versions_of(targets, KEY, {"target_contract": "contract_number"}))
    names_none = found.contract_number.isnull() & found.installment_id.isnull()
    inheriting = found.mutate(
        names_none=names_none, contract_number=ibis.ifelse(names_none, found.target_contract, found.contract_number)
    ).rename(target_key="parent_key")
    start = look_up(inheriting, "contract_number", context, "contracts", "contract_number", {"contract_start": "start_date"})
    return start.mutate(
        faults=start.faults
        + broken(start.names_none & (start.repayment_date < start.contract_start), "before_start_date", "repayment_date"),
        waits=start.waits + broken(start.target_key.isnull() & ~start.is_deleted, "orphan", "reverses_repayment_id"),
    ).drop("names_none", "target_key", "target_contract", "contract_start", "parent_key")


def _not_twice(reversals: ir.Table, context: Context, scratch: Scratch) -> ir.Table:
    """Reversals without those that cancel a held reversal: they are refused and wait for nothing."""
    before = context.before()
    targets = scratch.keep(_accepted(reversals, before.filter(before.reverses_repayment_id.notnull()), reversals, context))
    found = counting(reversals, "reverses_repayment_id", versions_of(targets, KEY, {}))
    is_of_reversal = found.parent_key.notnull() & ~found.is_deleted
    return found.mutate(
        faults=found.faults + broken(is_of_reversal, "reversal_of_reversal", "reverses_repayment_id"),
        waits=ibis.ifelse(is_of_reversal, found.waits.replace("orphan:reverses_repayment_id ", ""), found.waits),
    ).drop("parent_key")


def _accepted(rows: ir.Table, before: ir.Table, reversals: ir.Table, context: Context) -> ir.Table:
    """Held and judged repayments that some reversals name, as far as the key rules accept them.

    Grain: one row per repayment_id and business date.
    """
    named = reversals.select(named=_.reverses_repayment_id).distinct()
    held = before.semi_join(named, before[KEY] == named.named)
    sound = rows.filter(is_sound(rows)).semi_join(named, rows[KEY] == named.named)
    decided = decisions(sound, REPAYMENTS, context.files, held.semi_join(sound, KEY))
    place = [sound.file_number == decided.decided_file_number, sound.source_row_number == decided.decided_source_row_number]
    joined = sound.left_join(decided, place)
    columns = (KEY, "business_date", "is_deleted", "contract_number")
    return joined.filter(joined.is_version.fill_null(True)).select(*columns).union(held.select(*columns))
