"""Rules about a delivery as a whole: worked cases, no false alarm on generated deliveries, and what an operator sees and does."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from warehouse.engine import connect
from warehouse.ingest import ingest_delivery, undelivered
from warehouse.lake import Lake
from warehouse.raw.delivery import DeliveryError
from warehouse.raw.verify import verify_delivery
from warehouse.settings import Settings
from warehouse.simulate import simulate
from warehouse.staging.arrivals import Arrivals, Entry
from warehouse.staging.batch import Look, UnknownRule, accepted_rules, delivered_suspicions, judged_suspicions
from warehouse.staging.ledger import BLOCKED, DELIVERY_LEDGER, INGESTED, unbalanced
from warehouse.staging.screening import Screening

FULL, DELTA = 10_000, 200


def days(rows: Sequence[int], apart: int = 1) -> list[Look]:
    """Business dates of a table with so many rows each."""
    return [Look(rows=count, days=apart if place else None) for place, count in enumerate(rows)]


def rules(delivered: Look, usual: Sequence[Look]) -> list[str]:
    return [found.rule for found in delivered_suspicions("repayments", delivered, delivered, usual)]


@pytest.mark.parametrize(
    ("rows", "usual", "found"),
    [
        (79, days([FULL, *[DELTA] * 6]), ["row_count_low"]),  # 61 % fewer than the usual changes of a day
        (80, days([FULL, *[DELTA] * 6]), []),  # 60 % fewer is allowed
        (0, days([DELTA] * 5), ["row_count_low"]),  # a header without rows
        (0, days([DELTA] * 4), []),  # four dates are no history
        (0, days([49] * 9), []),  # small tables vary
        (190, days(([FULL] + [DELTA] * 6) * 2), []),  # a week: the book on Sunday, changes on other days
        (60, days(([FULL] + [DELTA] * 6) * 2), ["row_count_low"]),
        (FULL, days(([FULL] + [DELTA] * 6) * 2), []),
        (DELTA, days([FULL, DELTA, FULL, DELTA, FULL, DELTA]), []),  # the median lies between, both are usual
        (DELTA, days([FULL] * 6), ["row_count_low"]),  # the first delta after snapshots is worth a question
        (DELTA, days([*[FULL] * 6, DELTA]), ["row_count_low"]),
        (DELTA, days([*[FULL] * 6, DELTA, DELTA]), []),  # accepted twice, it is usual
    ],
)
def test_e59_row_count_far_below_the_usual(rows: int, usual: Sequence[Look], found: list[str]) -> None:
    assert rules(Look(rows=rows, days=1), usual) == found


def test_e59_rows_are_few_only_for_the_days_they_cover() -> None:
    monthly = days([6_000] * 12, apart=30)
    assert rules(Look(rows=200, days=1), monthly) == []  # the first day after months: 200 rows a day as before
    assert rules(Look(rows=70, days=1), monthly) == ["row_count_low"]
    assert rules(Look(rows=2_000, days=30), monthly) == ["row_count_low"]
    snapshots = days([6_000] * 12)
    assert rules(Look(rows=6_100, days=30), snapshots) == []  # a book does not grow with the days that nobody delivered


def filled(rows: int, values: int, column: str = "due_date") -> Look:
    return Look(rows=rows, offered={column: rows}, filled={column: values}, days=1)


@pytest.mark.parametrize(
    ("delivered", "usual", "found"),
    [
        (filled(50, 0), [filled(60, 60)] * 5, ["column_empty"]),
        (filled(50, 1), [filled(60, 60)] * 5, []),  # one value is not empty
        (filled(49, 0), [filled(60, 60)] * 5, []),
        (filled(50, 0), [filled(60, 29)] * 5, []),  # more often empty than not
        (filled(50, 0), [filled(60, 60)] * 4, []),
        (filled(50, 0), [*[filled(60, 60)] * 6, filled(60, 0), filled(60, 0)], []),  # it was empty on two dates before
        (filled(50, 0, "op"), [filled(60, 60, "op")] * 5, []),  # an empty op is U
        (Look(rows=50, days=1), [filled(60, 60)] * 5, []),  # the column is not in the file: its schema version says whether it may
    ],
)
def test_e39_column_suddenly_empty(delivered: Look, usual: Sequence[Look], found: list[str]) -> None:
    assert rules(delivered, usual) == found


def test_e39_amount_suddenly_the_same_in_every_row() -> None:
    usual = [filled(150, 150, "repayment_amount")] * 5
    constant = replace(usual[0], constant=frozenset({"repayment_amount"}))
    assert rules(constant, usual) == ["column_constant"]
    assert rules(constant, [*usual, constant]) == []  # it happens
    assert rules(replace(constant, rows=99), usual) == []


@pytest.mark.parametrize(
    ("delivered", "usual", "is_found"),
    [
        (Look(rows=100, quarantined=21), [Look(rows=100, quarantined=1)] * 5, True),
        (Look(rows=100, quarantined=20), [Look(rows=100, quarantined=1)] * 5, False),
        (Look(rows=99, quarantined=90), [Look(rows=100, quarantined=1)] * 5, False),
        (Look(rows=100, quarantined=90), [Look(rows=100, quarantined=1)] * 4, False),  # quarantined rows alone block nothing
        (Look(rows=100, quarantined=30), [Look(rows=100, quarantined=16)] * 5, False),  # a source that is always bad
    ],
)
def test_d20_share_of_rejected_rows_far_above_the_usual(delivered: Look, usual: Sequence[Look], is_found: bool) -> None:
    assert bool(judged_suspicions("repayments", delivered, usual)) == is_found


def test_only_rules_and_tables_that_exist_are_accepted() -> None:
    assert accepted_rules(["row_count_low", "column_empty:clients"]) == {("row_count_low", None), ("column_empty", "clients")}
    with pytest.raises(UnknownRule, match=r"'orphan': must be RULE or RULE:TABLE with a rule of row_count_low, "):
        accepted_rules(["orphan"])
    with pytest.raises(UnknownRule, match=r"'row_count_low:books': .* a table of regions, "):
        accepted_rules(["row_count_low:books"])


@pytest.mark.parametrize("profile", ["tiny", "demo", "history"])
def test_generated_deliveries_raise_no_false_alarm(profile: str, tmp_path: Path) -> None:
    con = connect(Settings(home=tmp_path))
    entries: list[Entry] = []
    schema = DELIVERY_LEDGER.nullable_schema().to_pyarrow()
    for number, (day, folder) in enumerate(simulate(profile, 11, tmp_path / "lender").deliveries):
        ledger = ibis.memtable(pa.Table.from_pylist(entries, schema=schema))
        arrivals = Arrivals(ledger, day, f"run-{number}", datetime.now(UTC))
        try:
            delivery = verify_delivery(folder, arrivals.is_taken, tmp_path / f"work-{number}")
        except DeliveryError:  # a mishap of the profile; the folder comes again
            continue
        screening = Screening.of(con, arrivals, delivery, day)
        assert screening.delivered(arrivals, delivery) == [], day
        entries += arrivals.of_delivery(delivery, screening.profiles)
    assert sum(entry["column_profile"] is not None for entry in entries) > 20


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


def deliver(lake: Lake, day: date, rows: int, folder: Path, level: str = "province", broken: int = 0, accept: Sequence[str] = ()):
    """A regions file of so many rows, all new values each day; the last ones lack what every row needs."""
    lines = [f"R{row},{'' if row >= rows - broken else f'Region {row} of {day}'},{level}" for row in range(rows)]
    folder.mkdir(exist_ok=True)
    (folder / "regions.csv").write_text("\n".join(["region_id,region_name,region_level", *lines]) + "\n")
    run_id = f"run-{day}-{rows}-{level}-{broken}-{len(accept)}"
    return ingest_delivery(lake, lake.settings, folder, day, run_id, accept=accept)


def ledger_of(lake: Lake, day: date) -> list[dict]:
    intake = lake.intake()
    assert intake is not None
    ledger = intake.table(DELIVERY_LEDGER.name)
    assert unbalanced(ledger).count().to_pyarrow().as_py() == 0
    return ledger.filter(ledger.business_date == ibis.date(day)).to_pyarrow().to_pylist()


def test_e59_e39_d20_a_blocked_delivery_leaves_only_its_ledger_rows_until_it_is_accepted(lake: Lake, tmp_path: Path) -> None:
    first, folder = date(2024, 7, 1), tmp_path / "delivered"
    for number in range(5):
        assert deliver(lake, first + timedelta(days=number), 120, folder).exit_code == 0
    day = first + timedelta(days=5)
    before = lake.intake()
    assert before is not None

    short = deliver(lake, day, 40, folder)
    assert short.exit_code == 1
    assert short.is_blocked
    assert short.error == (
        "nothing was taken: regions: 40 rows; usual are 120 (median of 5 business dates) (row_count_low). The table has far fewer rows "
        "than on its other business dates; deliver it whole, or take it as it is with --accept row_count_low:regions"
    )
    (entry,) = ledger_of(lake, day)
    assert (entry["status"], entry["rows_in"], entry["rejected"]) == (BLOCKED, 40, 40)
    assert not (lake.settings.landing / day.isoformat()).exists()
    assert undelivered(lake, folder, day) == []  # the sensor does not ask for it again and again
    assert deliver(lake, day, 40, folder).delivery_seq is None  # saying it again is no news

    assert "column region_level is empty in all 120 rows; usual is a value in 100%" in str(deliver(lake, day, 120, folder, level="").error)
    broken = deliver(lake, day, 120, folder, broken=40)
    assert "40 of 120 rows broke a rule, 33%; usual is 0%" in str(broken.error)
    assert broken.is_blocked
    after = lake.intake()
    assert after is not None
    kept = [name for name in before.release.tables if name.startswith(("raw.", "staging."))]
    assert {name: after.release.tables[name] for name in kept} == {name: before.release.tables[name] for name in kept}

    taken = deliver(lake, day, 40, folder, accept=["row_count_low:regions"])
    assert (taken.exit_code, taken.files[0].status) == (0, INGESTED)
    assert taken.files[0].message == "taken with --accept row_count_low: 40 rows; usual are 120 (median of 5 business dates)"
    whole = deliver(lake, day, 120, folder, broken=40, accept=["rejected_share_high"])  # the day is whole now, and its faults are known
    assert whole.exit_code == 0
    said = str(whole.files[0].message)
    assert "a file of this name with other content was taken" in said
    assert "; taken with --accept rejected_share_high: 40 of 120 rows broke a rule" in said
    assert (lake.settings.landing / day.isoformat() / "regions.csv").exists()
