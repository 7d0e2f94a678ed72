"""Penalties for installments that were paid in time (D18): delivered by mistake, and deleted with the next delivery."""

import numpy as np
import pyarrow as pa

from warehouse.simulate.business_days import delivered_on, next_delivery
from warehouse.simulate.catalog import FALSE_PENALTY, marked
from warehouse.simulate.dates import Days, day, shift
from warehouse.simulate.draws import Draws
from warehouse.simulate.money import Ledger
from warehouse.simulate.profiles import Profile
from warehouse.simulate.rows import constant, installment_ids, iso, rows, together, where, whole

AMOUNT = 50_000
FALSE = 3  # ends the entity of a false penalty; true ones end in 1 and 2


def with_false_penalties(profile: Profile, seed: int, ledger: Ledger, settled_told: Days, penalties: pa.Table) -> pa.Table:
    """Delivered penalties with false ones among them."""
    installments, contracts = ledger.installments, ledger.run.contracts
    entity = installments.entity(contracts) * 4 + FALSE
    charged_on = shift(installments.settled_on, np.array(1))  # so that the repayment that settled cannot pay it
    told_on = delivered_on(profile, np.fmax(np.fmax(charged_on, settled_told), day(profile.opening_date)))
    in_time = (installments.settled_on <= installments.due_on) & (told_on < day(profile.last)) & ~np.isnat(settled_told)
    chosen = np.flatnonzero(in_time & (Draws(seed, "false penalty").uniform(entity) < profile.rates.false_penalty))
    charge = _rows(ledger, np.repeat(chosen, 2), np.repeat(charged_on[chosen], 2))
    when = np.stack([told_on[chosen], next_delivery(profile, told_on[chosen])], axis=1).ravel()
    is_gone = np.arange(len(when)) % 2 == 1
    both = rows({**charge, "op": where(is_gone, constant("D", len(when)), "U")}, when, np.repeat(entity[chosen], 2))
    noted = marked(both, FALSE_PENALTY, "")
    parts = [penalties, noted.filter(pa.array(~is_gone)), both.filter(pa.array(is_gone))]
    joined = pa.concat_tables(parts)
    order = np.argsort(joined["_entity"].to_numpy(), kind="stable")
    return joined.take(pa.array(order))


def _rows(ledger: Ledger, place: np.ndarray, charged_on: Days) -> dict[str, pa.Array]:
    installments = ledger.installments
    installment = installment_ids(ledger.run.contracts.number[installments.contract[place]], installments.number[place])
    return {
        "penalty_id": together(installment, "-P", whole(np.full(len(place), FALSE))),
        "installment_id": installment,
        "penalty_date": iso(charged_on),
        "penalty_amount": whole(np.full(len(place), AMOUNT)),
    }
