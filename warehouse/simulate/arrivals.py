"""The order in which delivery folders arrive, and delivery/arrivals.csv, which says it and what is special about each folder."""

import csv
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from warehouse.simulate.draws import Draws
from warehouse.simulate.profiles import Profile

FILE = "arrivals.csv"
SWAPPED_BY, MISSING_BY = 1, (2, 4)  # deliveries that arrive before a late one
DAYS_A_YEAR = 365


class Arrival(NamedTuple):
    """One folder of the lender, in the order of arrival."""

    business_date: date
    folder: str
    note: str


def arrange(profile: Profile, seed: int, folder: Path, notes: Mapping[str, Sequence[str]], again: Mapping[str, str]) -> list[Arrival]:
    """All folders in the order of their arrival; a second arrival of a business date comes right after the first.

    Args:
        profile: calendar, and how often folders are late.
        seed: seed of the lender.
        folder: where the deliveries are; a day without news has none.
        notes: what is special about a folder.
        again: the second folder of a business date, by the name of the first.
    """
    dates = profile.business_dates
    late = _late_by(profile, seed)
    every = np.argsort(np.arange(len(dates)) + np.where(late > 0, late + 0.5, 0.0), kind="stable")
    order = [position for position in every if (folder / dates[position].isoformat()).is_dir()]
    arrivals = []
    for place, position in enumerate(order):
        name = dates[position].isoformat()
        told = [f"arrives after {dates[order[place - 1]]}"] if place and order[place - 1] > position else []
        arrivals.append(Arrival(dates[position], name, "; ".join([*told, *notes.get(name, ())])))
        if name in again:
            arrivals.append(Arrival(dates[position], again[name], "; ".join(notes.get(again[name], ()))))
    return arrivals


def _late_by(profile: Profile, seed: int) -> np.ndarray:
    """Deliveries that arrive before each folder that should come after it; the opening delivery is never late."""
    number, draws, rates = np.arange(len(profile.business_dates)), Draws(seed, "folder"), profile.rates.files
    draw, missing = draws.uniform(number), rates.missing_days / DAYS_A_YEAR
    late = np.where(draw < missing, draws.between(number, *MISSING_BY, lane=1), np.where(draw < missing + rates.swapped, SWAPPED_BY, 0))
    return late * (number > 0)


def write_arrivals(folder: Path, arrivals: Sequence[Arrival]) -> None:
    """Write delivery/arrivals.csv."""
    with (folder / FILE).open("x", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("arrival", "business_date", "folder", "note"))
        writer.writerows((number, *arrival) for number, arrival in enumerate(arrivals, start=1))


def read_arrivals(folder: Path) -> list[tuple[date, Path]]:
    """Business date and folder of each delivery below a folder, in the order of arrival."""
    with (folder / FILE).open(encoding="utf-8", newline="") as text:
        return [(date.fromisoformat(row["business_date"]), folder / row["folder"]) for row in csv.DictReader(text)]
