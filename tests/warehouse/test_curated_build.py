"""Building the curated tables in a lake: month rows by what was known then, equal results from equal facts, and refused gaps."""

from datetime import date

import pytest

from tests.warehouse.staging_rows import TERMS, by, contract, day, installment, joined, repayment, staged
from warehouse.build import build_curated
from warehouse.curated import CURATED
from warehouse.curated.staged import Staged
from warehouse.lake import Lake
from warehouse.months import month_days
from warehouse.settings import Settings
from warehouse.sources import SOURCES

OPENING = "2024-01-02"
TODAY = day("2024-06-15")


def loan(number, *versions, paid=(), **more):
    """Three installments of 1,000,000 from 2024-01-31 on; payments as (day, amount, delivered on)."""
    return {
        "contracts": [contract(number, **more), *(contract(number, **more | version) for version in versions)],
        "installments": [
            installment(index, due, contract_number=number) for index, due in enumerate(("2024-01-31", "2024-02-29", "2024-03-31"), start=1)
        ],
        "repayments": [repayment(f"{number}-{on}", on, amount, number, on=known) for on, amount, known in paid],
    }


LOST = {"status": "Written Off", "last_status_change_date": "2024-02-20"}
BOOK = joined(
    loan("RUNNING", paid=[("2024-01-31", 400_000, "2024-01-31")]),
    loan("LOST_IN_TIME", {**LOST, "on": "2024-02-20"}),
    loan("LOST_KNOWN_LATE", {**LOST, "on": "2024-04-10"}),
    loan("MOVED", client_id="C2"),
    {
        "contracts": [
            contract("ENDED_UNSEEN", start_date="2024-02-01", on="2024-05-05", status="Sold", last_status_change_date="2024-03-01")
        ]
    },
    {"contracts": [contract("AHEAD", start_date="2024-07-01", on="2024-06-01")]},
    {
        "clients": [
            {"client_id": "C1", "region_id": "R1"},
            {"client_id": "C2", "region_id": "R1"},
            {"client_id": "C2", "region_id": "R2", "on": "2024-03-10"},
        ],
        "regions": [
            {"region_id": "R1", "region_name": "North"},
            {"region_id": "R2", "region_name": "South"},
            {"region_id": "R1", "region_name": "North", "successor_region_id": "R2", "on": "2024-06-01"},
        ],
        "penalties": [
            {"penalty_id": "X", "installment_id": "RUNNING-1", "penalty_date": "2024-02-05", "penalty_amount": 30, "on": "2024-02-05"}
        ],
    },
)


def delivered(lake: Lake, rows: Staged, on: date) -> None:
    """Publish staging tables as an intake."""
    intake = lake.candidate("intake", f"intake-{on}")
    for source in SOURCES:
        intake.write(source.staging_spec(), getattr(rows, source.name).to_pyarrow())
        intake.audit(source.staging_spec())
    intake.publish(on)


@pytest.fixture
def lake(tmp_path):
    with Lake(Settings(home=tmp_path, catalog_uri=f"sqlite:///{tmp_path}/catalog.db")) as opened:
        yield opened


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    home = tmp_path_factory.mktemp("lake")
    with Lake(Settings(home=home, catalog_uri=f"sqlite:///{home}/catalog.db")) as lake:
        delivered(lake, staged(OPENING, **BOOK), TODAY)
        candidate = lake.candidate("release", "build")
        build_curated(candidate, TODAY, TERMS)
        candidate.publish(TODAY)  # every table is staged and every audit passed
        yield candidate


@pytest.fixture(scope="module")
def months(built):
    return by(built.table("curated.fact_contract_month"), "contract_number", "month_on")


def months_of(months, number):
    return sorted(month for name, month in months if name == number)


def test_months_of_a_running_contract(months):
    assert months_of(months, "RUNNING") == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31", "2024-06-30"]
    assert months["RUNNING", "2024-05-31"]["as_of_on"] == day("2024-05-31")
    assert months["RUNNING", "2024-06-30"]["as_of_on"] == TODAY  # the open month


def test_measures_are_those_known_then(months):
    january, february = months["RUNNING", "2024-01-31"], months["RUNNING", "2024-02-29"]
    assert (january["dpd"], january["max_dpd"], january["due_amount"], january["paid_amount"]) == (0, 0, 1_000_000, 400_000)
    assert (february["dpd"], february["max_dpd"], february["dpd_bucket"], february["mob"]) == (29, 29, "1_29", 1)
    assert (february["due_amount"], february["paid_amount"], february["penalty_amount"]) == (1_000_000, 0, 30)
    assert (january["penalty_amount"], months["RUNNING", "2024-03-31"]["penalty_amount"]) == (0, 0)
    assert (months["RUNNING", "2024-03-31"]["dpd"], months["RUNNING", "2024-03-31"]["dpd_bucket"]) == (60, "60_89")


def test_the_last_row_is_of_the_month_of_the_end(months):
    assert months_of(months, "LOST_IN_TIME") == ["2024-01-31", "2024-02-29"]
    last = months["LOST_IN_TIME", "2024-02-29"]
    assert (last["status"], last["dpd"], last["max_dpd"], last["written_off_principal_amount"]) == ("Written Off", 20, 20, 3_000_000)


def test_an_end_known_later_has_one_last_row_when_it_became_known(months):
    assert months_of(months, "LOST_KNOWN_LATE") == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]
    assert [months["LOST_KNOWN_LATE", month]["status"] for month in ("2024-02-29", "2024-03-31", "2024-04-30")] == [
        "Active",
        "Active",
        "Written Off",
    ]
    assert months["LOST_KNOWN_LATE", "2024-04-30"]["dpd"] == 20  # frozen on 02-20


def test_a_contract_first_known_after_its_end_has_one_row(months):
    assert months_of(months, "ENDED_UNSEEN") == ["2024-05-31"]


def test_a_contract_has_no_row_before_it_starts(months, built):
    assert months_of(months, "AHEAD") == []
    row = by(built.table("curated.fact_contract"), "contract_number")["AHEAD"]
    assert (row["status"], row["status_on"], row["dpd"], row["outstanding_principal_amount"]) == ("New", day("2024-07-01"), 0, 0)


def test_three_regions(months):
    places = ("region_at_origination_id", "region_as_of_month_id", "region_current_map_id")
    # The move was delivered on 03-10; R1 became part of R2 on 06-01, which the current map applies to all months.
    assert [tuple(months["MOVED", month][place] for place in places) for month in ("2024-02-29", "2024-03-31")] == [
        ("R1", "R1", "R2"),
        ("R1", "R2", "R2"),
    ]


def test_all_tables_are_written(built):
    for spec in CURATED:
        assert tuple(built.table(spec.name).columns) == spec.column_names
        assert all(result.passed for result in built.audit(spec)), spec.name
    assert built.table("curated.dim_date").count().to_pyarrow().as_py() == 213  # January to July


def test_an_earlier_business_date_ignores_what_came_later(lake):
    # Built as of 2024-03-31 from all deliveries, or from those up to then: the same rows.
    past = day("2024-03-31")
    rows = staged(OPENING, **BOOK)
    delivered(lake, rows, TODAY)
    late = lake.candidate("release", "late")
    build_curated(late, past, TERMS)
    expected = {spec.name: sorted(map(repr, late.table(spec.name).to_pyarrow().to_pylist())) for spec in CURATED}
    late.discard()
    delivered(lake, Staged(*(table.filter(table.business_date <= past) for table in rows)), past)
    early = lake.candidate("release", "early")
    build_curated(early, past, TERMS)
    assert {spec.name: sorted(map(repr, early.table(spec.name).to_pyarrow().to_pylist())) for spec in CURATED} == expected


def test_month_days():
    assert month_days(day("2024-04-10"), day("2024-06-15")) == [day("2024-04-30"), day("2024-05-31"), day("2024-06-15")]
    assert month_days(day("2024-05-31"), day("2024-05-31")) == [day("2024-05-31")]


def test_optional_sources_may_be_missing():
    tables = {f"staging.{name}": table for name, table in staged(OPENING, **BOOK)._asdict().items()}
    rows = {name: table for name, table in tables.items() if name not in ("staging.penalties", "staging.contract_status_history")}
    found = Staged.read(rows.__getitem__)
    assert found.penalties.schema() == next(source for source in SOURCES if source.name == "penalties").staging_spec().ibis_schema()
    with pytest.raises(KeyError, match=r"staging\.contracts"):
        Staged.read({name: table for name, table in rows.items() if name != "staging.contracts"}.__getitem__)
