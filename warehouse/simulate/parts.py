"""What one chunk of clients adds to the delivered files and to the truth; computed in any process, joined in the order of clients."""

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import BufferOutputStream, csv

from warehouse.simulate import booking, loans, people, statuses, truth_rows
from warehouse.simulate.business_days import batched
from warehouse.simulate.card import tally
from warehouse.simulate.catalog import KEYS, TABLES
from warehouse.simulate.dates import Days, days
from warehouse.simulate.defects import PER_KEY, break_rows
from warehouse.simulate.expected import expected_rows
from warehouse.simulate.false_penalties import with_false_penalties
from warehouse.simulate.lateness import delay_parents
from warehouse.simulate.money import Ledger, write_ledger
from warehouse.simulate.months import Months
from warehouse.simulate.profiles import Profile
from warehouse.simulate.rows import LEDGER, table_columns
from warehouse.simulate.statuses import Events
from warehouse.simulate.truth import outcomes
from warehouse.simulate.versions import written

QUOTED = csv.WriteOptions(include_header=False, quoting_style="needed")


class Part(NamedTuple):
    """Rows that go to the end of one delivered file.

    Attributes:
        business_date: of the delivery.
        table: source table.
        names: columns of the file.
        rows: how many.
        body: the rows as lines of csv, or as a table for Parquet.
        dirty: lines of the ledger; `line` counts the part's rows from 0.
    """

    business_date: date
    table: str
    names: tuple[str, ...]
    rows: int
    body: pa.Buffer | pa.Table
    dirty: pa.Table


@dataclass
class Chunk:
    """All that comes of the clients of one chunk: delivered rows, truth, expected figures, sums, known month ends."""

    last_client: int
    parts: list[Part]
    truth: dict[str, pa.Table]
    expected: dict[str, pa.Table]
    sums: Counter[str]
    cohorts: set[np.datetime64]


def compute(profile: Profile, seed: int, first: int) -> Chunk:
    """The chunk that begins with a client."""
    number = np.arange(first, min(first + profile.chunk_clients, profile.clients + 1))
    ledger = write_ledger(profile, seed, Months(profile, seed, number).run())
    found = outcomes(profile, ledger)
    booked = booking.booked_on(seed, ledger)
    events = statuses.events(profile, seed, ledger, booking.last_booked_on(ledger, booked))
    truth = truth_rows.tables(profile, seed, ledger, booked, events, found)
    clean = delivered_rows(profile, seed, ledger, booked, events)
    dirty = {table: break_rows(profile, seed, table, rows) for table, rows in clean.items()}
    parts = [part for table, rows in dirty.items() for part in split(profile, table, rows, KEYS[table])]
    expected = expected_rows(profile, ledger, events, dirty["clients"], clean["contracts"])
    return Chunk(int(number[-1]), parts, truth, expected, tally(profile, ledger, found), truth_rows.cohorts(found))


def split(profile: Profile, table: str, rows: pa.Table, key: str) -> list[Part]:
    """The rows by business date; every file of the opening delivery exists, later ones only with rows."""
    dates = days(rows["_day"].to_numpy())
    parts = []
    for business_date in profile.business_dates:
        mine = rows.filter(pa.array(dates == np.datetime64(business_date, "D")))
        if len(mine) or business_date == profile.opening_date:
            parts.append(_part(profile, table, business_date, mine, key))
    return parts


def _part(profile: Profile, table: str, business_date: date, rows: pa.Table, key: str) -> Part:
    names = written(table, table_columns(rows), business_date)
    body = rows.select(list(names)).rename_columns(list(names.values()))
    place = pa.array(np.flatnonzero(pc.not_equal(rows["_defect"], "").to_numpy()))  # indices_nonzero crashes on a column without pieces
    chosen = rows.select([key, *LEDGER]).take(place)
    values = [chosen[name] for name in (key, *LEDGER)]
    values[2] = pa.array([names.get(column, column) for column in values[2].to_pylist()], pa.string())
    titles = ("line", "key", "defect_id", "column", "original_value", "expected_rule", "expected_disposition")
    dirty = pa.table(dict(zip(titles, [place, *values], strict=True)))
    return Part(
        business_date,
        table,
        tuple(names.values()),
        len(rows),
        _as_csv(body) if profile.file_format == "csv" else body.combine_chunks(),
        dirty,
    )


def _as_csv(body: pa.Table) -> pa.Buffer:
    sink = BufferOutputStream()
    csv.write_csv(body, sink, QUOTED)
    return sink.getvalue()


def delivered_rows(profile: Profile, seed: int, ledger: Ledger, booked: Days, events: Events) -> dict[str, pa.Table]:
    """Clean rows of every table by business date, with late parents and what the lender charged by mistake."""
    settled_told = booking.settlement_booked_on(ledger, booked)
    tables = {
        "clients": people.clients_rows(profile, seed, ledger.run.clients, _joined_on(seed, ledger)),
        "contracts": loans.contracts_rows(profile, seed, ledger, events),
        "contract_status_history": loans.history_rows(profile, ledger, events),
        "installments": loans.installments_rows(profile, ledger, events, settled_told),
        "repayments": booking.repayments(profile, seed, ledger, booked),
        "penalties": booking.penalties(profile, ledger),
    }
    tables = {table: batched(profile, tables[table], PER_KEY.get(table, 1)) for table in TABLES}
    tables["penalties"] = with_false_penalties(profile, seed, ledger, settled_told, tables["penalties"])
    return delay_parents(profile, seed, tables) if profile.rates.late_parent else tables


def _joined_on(seed: int, ledger: Ledger) -> Days:
    """A client joins by applying for the first contract."""
    applied = statuses.applied_on(seed, ledger)
    joined = np.full(len(ledger.run.clients.number), np.datetime64("NaT", "D"))
    joined[ledger.run.contracts.client[::-1]] = applied[::-1]  # contracts are in the order of clients and their places
    return joined
