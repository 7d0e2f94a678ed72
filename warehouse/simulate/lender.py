"""simulate(): runs a generated lender and writes what it delivers and what is true.

out/delivery/<YYYY-MM-DD>/*.csv   the opening delivery and daily ones, to be ingested in the order of their dates or any other
out/truth/*                       hidden states, outcomes, and the ledger of dirty rows; no platform code reads it
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from warehouse.simulate import booking, geography, loans, people, products, statuses
from warehouse.simulate.card import Card, card, tally
from warehouse.simulate.dates import day
from warehouse.simulate.defects import KEYS, TABLES, break_rows
from warehouse.simulate.files import DeliveryFiles
from warehouse.simulate.lateness import delay_parents
from warehouse.simulate.money import Ledger, write_ledger
from warehouse.simulate.months import Months
from warehouse.simulate.profiles import Profile, profile_named
from warehouse.simulate.provinces import MERGED_ON
from warehouse.simulate.rows import rows
from warehouse.simulate.truth import outcomes
from warehouse.simulate.truth_files import TruthFiles

KEY_OF = {**KEYS, "clients": "client_id", "contract_status_history": "contract_number"}


@dataclass(frozen=True)
class Simulation:
    """What a simulation wrote.

    Attributes:
        delivery: folder with one folder a business date.
        truth: folder of what no delivery says.
        opening_date: business date of the opening delivery.
        business_dates: of all deliveries, the opening one first.
        row_counts: delivered rows a table.
        defect_count: dirty rows in the ledger.
        card: plausibility card.
    """

    profile: Profile
    seed: int
    delivery: Path
    truth: Path
    opening_date: date
    business_dates: tuple[date, ...]
    row_counts: dict[str, int]
    defect_count: int
    card: Card

    @property
    def deliveries(self) -> tuple[tuple[date, Path], ...]:
        """Business date and folder of each delivery, oldest first."""
        return tuple((date, self.delivery / date.isoformat()) for date in self.business_dates)


def simulate(profile: str | Profile, seed: int, out: Path, progress: Callable[[str], None] | None = None) -> Simulation:
    """Generate a lender; the same profile and seed give the same bytes.

    Args:
        profile: name in PROFILES, or a profile.
        seed: any whole number; another seed is another lender.
        out: folder to write to, without delivery/ and truth/ in it.
        progress: called with a line of text now and then.

    Raises:
        ValueError: no profile has the name.
        FileExistsError: there is a simulation in the folder already.
    """
    chosen, say = profile_named(profile), progress or (lambda line: None)
    for name in ("delivery", "truth"):
        if (out / name).exists():
            raise FileExistsError(f"{out / name} exists; delete it or choose another folder")
    delivery, truth = DeliveryFiles(out / "delivery", chosen), TruthFiles(out / "truth")
    _write_lists(chosen, delivery)
    sums: Counter[str] = Counter()
    for first in range(1, chosen.clients + 1, chosen.chunk_clients):
        number = np.arange(first, min(first + chosen.chunk_clients, chosen.clients + 1))
        ledger = write_ledger(chosen, seed, Months(chosen, seed, number).run())
        found = outcomes(chosen, ledger)
        sums.update(tally(chosen, ledger, found))
        truth.append(chosen, seed, ledger, found)
        _deliver(chosen, seed, ledger, delivery)
        say(f"{number[-1]:,} of {chosen.clients:,} clients, {delivery.row_counts.total():,} rows")
    defects = truth.close(delivery.ledger())
    return Simulation(
        profile=chosen,
        seed=seed,
        delivery=out / "delivery",
        truth=out / "truth",
        opening_date=chosen.opening_date,
        business_dates=chosen.business_dates,
        row_counts=dict(delivery.row_counts),
        defect_count=defects,
        card=card(sums, truth.cohorts),
    )


def _write_lists(profile: Profile, delivery: DeliveryFiles) -> None:
    """Product types and products: delivered once. Regions: at first, and when provinces merge."""
    opening, map_days = profile.opening_date, {MERGED_ON} & set(profile.business_dates)
    lists = [(opening, "product_types", products.product_types()), (opening, "products", products.products())]
    lists += [(when, "regions", geography.regions(when)) for when in (opening, *map_days)]
    for when, table, columns in lists:
        texts = {name: pa.array(values) for name, values in columns.items()}
        count = len(next(iter(columns.values())))
        delivery.append(table, rows(texts, np.full(count, day(when)), np.arange(count)), next(iter(columns)))


def _deliver(profile: Profile, seed: int, ledger: Ledger, delivery: DeliveryFiles) -> None:
    for table, delivered in delivered_rows(profile, seed, ledger).items():
        delivery.append(table, break_rows(profile, seed, table, delivered), KEY_OF[table])


def delivered_rows(profile: Profile, seed: int, ledger: Ledger) -> dict[str, pa.Table]:
    """Clean rows of every table, with late parents."""
    booked = booking.booked_on(seed, ledger)
    events = statuses.events(profile, seed, ledger, booking.last_booked_on(ledger, booked))
    joined_on = _joined_on(seed, ledger)
    settled_told = booking.settlement_booked_on(ledger, booked)
    tables = {
        "clients": people.clients_rows(profile, seed, ledger.run.clients, joined_on),
        "contracts": loans.contracts_rows(profile, seed, ledger, events),
        "contract_status_history": loans.history_rows(profile, ledger, events),
        "installments": loans.installments_rows(profile, ledger, events, settled_told),
        "repayments": booking.repayments(profile, seed, ledger, booked),
        "penalties": booking.penalties(profile, ledger),
    }
    return {table: tables[table] for table in TABLES} if not profile.rates.late_parent else delay_parents(profile, seed, tables)


def _joined_on(seed: int, ledger: Ledger) -> np.ndarray:
    """A client joins by applying for the first contract."""
    applied = statuses.applied_on(seed, ledger)
    joined = np.full(len(ledger.run.clients.number), np.datetime64("NaT", "D"))
    joined[ledger.run.contracts.client[::-1]] = applied[::-1]  # contracts are in the order of clients and their places
    return joined
