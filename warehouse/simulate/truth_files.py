"""The truth folder: hidden states and true outcomes of clients, true ends of contracts and settlements, and the ledger of dirty rows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from warehouse.simulate import behaviour, geography, people
from warehouse.simulate.dates import day
from warehouse.simulate.money import Ledger
from warehouse.simulate.profiles import Profile
from warehouse.simulate.rows import client_ids, contract_numbers, installment_ids
from warehouse.simulate.truth import IMMATURE, Outcomes

OUTCOMES = ("good", "indeterminate", "default", "immature")
ENDS = ("open", "paid", "settled", "written_off", "sold", "cancelled")


class TruthFiles:
    """Collects the truth of all chunks and writes it at the end, so that the files do not show the chunks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[str, list[pa.Table]] = {}
        self._cohorts: set[np.datetime64] = set()

    @property
    def cohorts(self) -> int:
        """Month ends whose outcomes are known."""
        return len(self._cohorts)

    def append(self, profile: Profile, seed: int, ledger: Ledger, found: Outcomes) -> None:
        """Keep the truth of one chunk."""
        self._cohorts.update(np.unique(found.month_on[found.outcome != IMMATURE]))
        parts = {
            "clients": _clients(profile, seed, ledger),
            "client_months": _client_months(ledger, found),
            "contracts": _contracts(profile, ledger),
            "installments": _installments(ledger),
        }
        for name, part in parts.items():
            self._parts.setdefault(name, []).append(part)

    def close(self, defects: pa.Table) -> int:
        """Write all files and return the number of dirty rows."""
        self._folder.mkdir(parents=True)
        for name, parts in self._parts.items():
            pq.write_table(pa.concat_tables(parts).combine_chunks(), self._folder / f"{name}.parquet")
        csv.write_csv(defects, self._folder / "defects.csv")
        return len(defects)


def _clients(profile: Profile, seed: int, ledger: Ledger) -> pa.Table:
    clients = ledger.run.clients
    region, moved_on, told_on = people.moves(profile, seed, clients)
    return pa.table(
        {
            "client_id": client_ids(clients.number),
            "theta": clients.theta,
            "age_band": clients.age,
            "region_id": geography.region_ids(clients.region, day(profile.first)),
            "moved_to_region_id": geography.region_ids(region, day(profile.first)),
            "moved_on": pa.array(moved_on),
            "move_told_on": pa.array(told_on),
        }
    )


def _client_months(ledger: Ledger, found: Outcomes) -> pa.Table:
    return pa.table(
        {
            "client_id": client_ids(ledger.run.clients.number[found.client]),
            "month_on": pa.array(found.month_on),
            "state": pa.array(behaviour.STATES).take(pa.array(found.state)),
            "dpd": found.dpd,
            "late_ratio": found.late_ratio,
            "outcome": pa.array(OUTCOMES).take(pa.array(found.outcome)),
        }
    ).sort_by([("client_id", "ascending"), ("month_on", "ascending")])


def _contracts(profile: Profile, ledger: Ledger) -> pa.Table:
    contracts = ledger.run.contracts
    return pa.table(
        {
            "contract_number": contract_numbers(contracts.number),
            "client_id": client_ids(ledger.run.clients.number[contracts.client]),
            "start_date": pa.array(contracts.start),
            "end": pa.array(ENDS).take(pa.array(contracts.ended)),
            "ended_on": pa.array(contracts.ended_on),
            "is_fraud": contracts.is_fraud,
            "is_refinancing": contracts.is_refinancing,
            "pays_by_contract": contracts.by_contract,
            "has_history": contracts.has_history,
        }
    )


def _installments(ledger: Ledger) -> pa.Table:
    installments = ledger.installments
    return pa.table(
        {
            "installment_id": installment_ids(ledger.run.contracts.number[installments.contract], installments.number),
            "due_date": pa.array(installments.due_on),
            "settled_on": pa.array(installments.settled_on),
        }
    )
