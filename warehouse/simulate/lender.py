"""simulate(): runs a generated lender and writes what it delivers and what is true.

out/delivery/<YYYY-MM-DD>/*   the opening delivery and later ones; <YYYY-MM-DD>_2 where one comes again; arrivals.csv has their order
out/truth/*                   hidden states, outcomes, and the ledger of dirty rows; no platform code reads it
out/expected/*.csv            what a platform must hold in the end: figures of marts, and what quarantine keeps
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from warehouse.simulate import geography, products
from warehouse.simulate.arrivals import Arrival, arrange, write_arrivals
from warehouse.simulate.card import Card, card
from warehouse.simulate.dates import day
from warehouse.simulate.expected import quarantine, summed
from warehouse.simulate.files import LEDGER_SCHEMA, DeliveryFiles, TruthFiles
from warehouse.simulate.mishaps import Mishaps
from warehouse.simulate.parts import compute, split
from warehouse.simulate.pool import in_order
from warehouse.simulate.profiles import NO_MISHAPS, Profile, profile_named
from warehouse.simulate.provinces import MERGED_ON
from warehouse.simulate.rows import rows


@dataclass(frozen=True)
class Simulation:
    """What a simulation wrote.

    Attributes:
        delivery: folder with arrivals.csv and the folders of the deliveries.
        truth: folder of what no delivery says.
        expected: folder of what a platform must hold in the end.
        opening_date: business date of the opening delivery.
        business_dates: of all deliveries, the opening one first.
        arrivals: folders in the order of arrival.
        row_counts: delivered rows a table, files that came again not counted.
        defect_count: lines of the ledger.
        card: plausibility card.
    """

    profile: Profile
    seed: int
    delivery: Path
    truth: Path
    expected: Path
    opening_date: date
    business_dates: tuple[date, ...]
    arrivals: tuple[Arrival, ...]
    row_counts: dict[str, int]
    defect_count: int
    card: Card

    @property
    def deliveries(self) -> tuple[tuple[date, Path], ...]:
        """Business date and folder of each delivery, in the order of arrival."""
        return tuple((arrival.business_date, self.delivery / arrival.folder) for arrival in self.arrivals)


def simulate(profile: str | Profile, seed: int, out: Path, progress: Callable[[str], None] | None = None) -> Simulation:
    """Generate a lender; the same profile and seed give the same bytes.

    Args:
        profile: name in PROFILES, or a profile.
        seed: any whole number; another seed is another lender.
        out: folder to write to, without delivery/, truth/ and expected/ in it.
        progress: called with a line of text now and then.

    Raises:
        ProfileError: no profile has the name.
        FileExistsError: there is a simulation in the folder already.
    """
    chosen, say = profile_named(profile), progress or (lambda line: None)
    for name in ("delivery", "truth", "expected"):
        if (out / name).exists():
            raise FileExistsError(f"{out / name} exists; delete it or choose another folder")
    delivery, truth = DeliveryFiles(out / "delivery", chosen), TruthFiles(out / "truth")
    sums: Counter[str] = Counter()
    cohorts: set[np.datetime64] = set()
    figures: dict[str, list[pa.Table]] = {}
    try:
        _write_lists(chosen, delivery)
        for chunk in in_order(partial(compute, chosen, seed), range(1, chosen.clients + 1, chosen.chunk_clients), chosen.workers):
            for part in chunk.parts:
                delivery.append(part)
            truth.append(chunk.truth)
            for name, counted in chunk.expected.items():
                figures[name] = [summed([*figures.get(name, []), counted])]
            sums.update(chunk.sums)
            cohorts |= chunk.cohorts
            say(f"{chunk.last_client:,} of {chosen.clients:,} clients, {delivery.row_counts.total():,} rows")
    finally:
        truth.close()
        ledger = delivery.close()
    arrivals, ledger = _send(chosen, seed, out / "delivery", ledger)
    csv.write_csv(ledger, out / "truth" / "defects.csv")
    _write_expected(out / "expected", {**{name: parts[0] for name, parts in figures.items()}, "quarantine": quarantine(ledger)})
    return Simulation(
        profile=chosen,
        seed=seed,
        delivery=out / "delivery",
        truth=out / "truth",
        expected=out / "expected",
        opening_date=chosen.opening_date,
        business_dates=chosen.business_dates,
        arrivals=tuple(arrivals),
        row_counts=dict(delivery.row_counts),
        defect_count=len(ledger),
        card=card(sums, len(cohorts)),
    )


def _write_expected(folder: Path, tables: dict[str, pa.Table]) -> None:
    folder.mkdir()
    for name, table in tables.items():
        csv.write_csv(table, folder / f"{name}.csv", csv.WriteOptions(quoting_style="needed"))


def _write_lists(profile: Profile, delivery: DeliveryFiles) -> None:
    """Product types and products: delivered once. Regions: at first, and with the first delivery after provinces merge."""
    opening, merged = profile.opening_date, [date for date in profile.business_dates[1:] if date >= MERGED_ON][:1]
    lists = [(opening, "product_types", products.product_types()), (opening, "products", products.products())]
    lists += [(when, "regions", geography.regions(when)) for when in (opening, *merged)]
    for when, table, columns in lists:
        texts = {name: pa.array(values) for name, values in columns.items()}
        count = len(next(iter(columns.values())))
        listed = rows(texts, np.full(count, day(when)), np.arange(count))
        for part in split(profile, table, listed, next(iter(columns))):
            if part.rows:
                delivery.append(part)


def _send(profile: Profile, seed: int, delivery: Path, ledger: pa.Table) -> tuple[list[Arrival], pa.Table]:
    """Let happen to the finished folders what happens, and write in which order they arrive."""
    if profile.rates.files == NO_MISHAPS:
        notes, again = {}, {}
    else:
        mishaps = Mishaps(delivery, profile.rates.files, seed, ledger.to_pylist())
        mishaps.happen(profile.business_dates)
        notes, again = mishaps.notes, mishaps.again
        ledger = pa.Table.from_pylist(mishaps.entries, schema=LEDGER_SCHEMA)
        ledger = ledger.sort_by([("folder", "ascending"), ("file", "ascending"), ("line", "ascending")])
    arrivals = arrange(profile, seed, delivery, notes, again)
    write_arrivals(delivery, arrivals)
    return arrivals, ledger
