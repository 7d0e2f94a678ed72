"""Later versions of month rows and what they changed, against the plain-Python oracle, cell by cell; built whole and day by day."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir
from hypothesis import given
from hypothesis import strategies as st
from ibis import _

from tests.conftest import STAGING, staging_tables, stored
from tests.oracles.compare import check, keyed
from tests.oracles.ledger import Ledger
from tests.oracles.restated import Restated
from tests.strategies import calendar, examples, ledger
from warehouse.build import build_curated, build_marts
from warehouse.changes import first_changed_on
from warehouse.clock import as_of_dates
from warehouse.curated.fact_contract_month import contract_months, fact_contract_month
from warehouse.curated.fact_contract_month_version import fact_contract_month_version, months_as_known, months_as_known_now
from warehouse.curated.fact_installment import fact_installment
from warehouse.curated.late_facts import late_contracts, settlement_days
from warehouse.curated.positions import positions
from warehouse.curated.regions import current_map, regions_on
from warehouse.curated.staged import Staged
from warehouse.lake import Candidate, Lake
from warehouse.marts.attribution import mart_months
from warehouse.marts.restatement import restatement
from warehouse.settings import Settings
from warehouse.terms import Terms
from warehouse.versions import all_late_months

TERMS = Terms()
GRAIN = ("contract_number", "month_on", "known_on")
MART = ("known_on", "month_on", "region_id", "product_type_id", "measure")
VERSIONS, RESTATEMENT = "curated.fact_contract_month_version", "marts.restatement"


class Computed(NamedTuple):
    """Month rows as known then, what is late, and the map of regions of the release."""

    staged: Staged
    months: ir.Table
    late: ir.Table
    regions_now: ir.Table

    @classmethod
    def of(cls, con: Any, rows: Ledger, months: list[date], today: date) -> "Computed":
        staged, dates = stored(con, rows.rows), sorted({*months, today})
        as_ofs, now = (as_of_dates(days, TERMS.time_zone) for days in (dates, [today]))
        then = positions(staged, as_ofs, TERMS)
        origins = regions_on(then.contracts, "start_date", staged, as_ofs, TERMS)
        regions_now = current_map(staged, now).drop("as_of_on").cache()
        reported = fact_contract_month(then, contract_months(dates), origins, regions_now).cache()
        settled = settlement_days(fact_installment(positions(staged, now, TERMS).installments), TERMS)
        return cls(staged, reported, late_contracts(staged, settled, TERMS).cache(), regions_now)

    def versions(self, **options: int) -> ir.Table:
        found = all_late_months(self.staged, self.late, TERMS, **options)
        return fact_contract_month_version(self.months, found, self.regions_now).cache()


def rows_of(table: ir.Table, *key: str) -> dict[tuple, dict[str, Any]]:
    return keyed(table.to_pyarrow().to_pylist(), key)


@examples(4)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2**32 - 1), min_size=30, max_size=50))
def test_versions_and_changes(con, seed, seeds):
    when = calendar(seed)
    rows = ledger(when, seeds)
    expected = Restated(rows, when.last, TERMS)
    found = Computed.of(con, rows, expected.complete_months(), when.last)
    versions = found.versions()
    check("versions", expected.versions(), rows_of(versions, *GRAIN), rows)
    complete = found.months.filter(_.month_on == _.as_of_on)
    check("now", expected.known_now(), rows_of(months_as_known_now(complete, versions), *GRAIN[:2]), rows)
    middle = when.dates[len(when.dates) // 2]
    known = {
        key: row
        for month_on in expected.complete_months()
        if month_on <= middle
        for key, row in expected.as_known(month_on, middle).items()
    }
    check("then", known, rows_of(months_as_known(complete, versions, ibis.literal(middle)), *GRAIN[:2]), rows)
    check("restatement", expected.restatement(), rows_of(changes(found, versions, when.last), *MART), rows)


def changes(found: Computed, versions: ir.Table, today: date) -> ir.Table:
    """The mart, with dimensions that name nothing."""
    first = found.months.agg(first=_.month_on.min()).to_pyarrow()["first"][0].as_py() or today
    regions = ibis.memtable([], schema={"region_id": "string", "region_name": "string", "valid_from": "date", "valid_to": "date"})
    products = ibis.memtable([], schema={"product_type_id": "string", "product_type_name": "string"})
    return restatement(mart_months(first, today), found.months, versions, regions, products)


def test_shares_give_what_the_whole_gives(con):
    when = calendar(5)
    rows = ledger(when, list(range(25)))
    expected = Restated(rows, when.last, TERMS)
    found = Computed.of(con, rows, expected.complete_months(), when.last)
    check("versions", expected.versions(), rows_of(found.versions(rows_at_once=2_000), *GRAIN), rows)


def delivered(lake: Lake, rows: Ledger, dates: Iterable[date], number: int) -> None:
    """Publish what some business dates have brought as an intake."""
    candidate, held = lake.candidate("intake", f"intake-{number}"), set(dates)
    some = {name: [row for row in table if row["business_date"] in held] for name, table in rows.rows.items()}
    for name, table in staging_tables(some).items():
        candidate.write(STAGING[name], lake.con.to_pyarrow(table))
        candidate.audit(STAGING[name])
    candidate.publish(max(held))


def released(lake: Lake, today: date, number: int) -> Candidate:
    """A release of what was delivered, from the one before where nothing has changed."""
    candidate = lake.candidate("release", f"build-{number}")
    build_curated(candidate, today, TERMS, first_changed_on(candidate, lake, TERMS))
    candidate.publish(today)
    return candidate


def test_days_one_after_the_other_give_what_the_whole_gives(tmp_path: Path):
    # The repayments of one day come after all other deliveries, so that what the second release knew of later days is computed again.
    when = calendar(11)
    rows = ledger(when, list(range(15)))
    expected = Restated(rows, when.last, TERMS)
    late = {"repayments": [row for row in rows.rows["repayments"] if row["business_date"] != when.dates[2]]}
    steps = ((when.dates[:2], rows), (when.dates, Ledger({**rows.rows, **late})), (when.dates, rows))
    with Lake(Settings(home=tmp_path, catalog_uri=f"sqlite:///{tmp_path}/catalog.db")) as lake:
        for number, (dates, held) in enumerate(steps):
            delivered(lake, held, dates, number)
            candidate = released(lake, max(dates), number)
        check("versions", expected.versions(), rows_of(candidate.table(VERSIONS), *GRAIN), rows)
        build_marts(candidate, when.last, TERMS)
        check("restatement", expected.restatement(), rows_of(candidate.table(RESTATEMENT), *MART), rows)
