"""Judging what a delivery touches gives what judging everything gives, in whichever order deliveries arrive."""

import random
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pytest

from warehouse.ingest import ingest_delivery
from warehouse.lake import Lake
from warehouse.replay import replay
from warehouse.settings import Settings
from warehouse.sources import SOURCES

FIRST = date(2024, 6, 27)
DAYS = 4
Rows = list[dict[str, str]]


def book(chance: random.Random, day: date) -> dict[str, Rows]:
    """A delivery with ids from small pools: parents come late, move, go and return; keys repeat, conflict and change."""
    number, of = chance.randrange, chance.choice
    stamp = lambda: of(["", f"2024-06-2{number(1, 8)}T00:00:00Z"])  # noqa: E731
    op = lambda: of(["", "", "", "", "D"])  # noqa: E731
    contract = lambda: f"L{number(8)}"  # noqa: E731
    made: dict[str, Rows] = {
        "regions": [{"region_id": f"R{number(3)}", "region_name": of("AB"), "op": op()} for _ in range(3)],
        "product_types": [{"product_type_id": f"T{number(2)}", "product_type_name": "Cash"} for _ in range(number(2))],
        "products": [
            {"product_code": f"P{number(3)}", "product_name": of("AB"), "product_type_id": f"T{number(3)}", "max_tenor": of(["", "1", "9"])}
            for _ in range(number(3))
        ],
        "clients": [
            {"client_id": of([f"{number(5):08d}", f"KH-{number(5):08d}"]), "region_id": f"R{number(4)}", "op": op(), "updated_at": stamp()}
            for _ in range(6)
        ],
        "contracts": [
            {
                "contract_number": contract(), "client_id": f"{number(6):08d}", "product_code": f"P{number(4)}",
                "principal_amount": of(["100", "100.00", "x"]), "tenor": of("12"), "status": "Active",
                "start_date": of(["2024-01-01", "2024-02-01"]), "op": op(), "updated_at": stamp(),
            }
            for _ in range(8)
        ],
        "contract_status_history": [
            {"contract_number": contract(), "status": of(["New", "Active", "Paid-off", "Close"]), "status_date": f"2024-02-0{number(1, 5)}"}
            for _ in range(8)
        ],
        "installments": [
            {
                "installment_id": f"I{number(12)}", "contract_number": contract(), "installment_number": of("12"),
                "due_date": "2024-02-01", "inst_amt_principal": of(["50", "100"]), "op": op(),
            }
            for _ in range(14)
        ],
        "repayments": [
            {
                "repayment_id": f"Y{number(12)}", "repayment_date": of(["2024-01-15", "2024-02-10", "2024-02-30"]),
                "repayment_amount": of("56"), "installment_id": of(["", f"I{number(14)}"]), "contract_number": of(["", contract()]),
                "reverses_repayment_id": "", "op": op(),
            }
            for _ in range(14)
        ]
        + [
            {
                "repayment_id": f"Z{number(4)}", "repayment_date": "2024-02-11", "repayment_amount": "-5", "installment_id": "",
                "contract_number": of(["", contract()]), "op": "",
                "reverses_repayment_id": of([f"Y{number(14)}", f"Y{number(14)}", f"Z{number(4)}"]),
            }
            for _ in range(4)
        ],
        "penalties": [
            {"penalty_id": f"F{number(5)}", "installment_id": f"I{number(14)}", "penalty_date": "2024-02-20", "penalty_amount": of("12")}
            for _ in range(3)
        ],
    }  # fmt: skip
    if day != FIRST + timedelta(days=1):  # one day brings no parents of parents at all
        return {name: rows for name, rows in made.items() if rows and chance.random() > 0.15}
    return {name: rows for name, rows in made.items() if rows and name not in ("clients", "contracts")}


def write(folder: Path, files: Mapping[str, Rows]) -> Path:
    folder.mkdir()
    for name, rows in files.items():
        pc.write_csv(pa.Table.from_pylist(rows), folder / f"{name}.csv")
    return folder


def content(lake: Lake) -> dict[str, list[Any]]:
    """Staging, and the rules that were broken, in one order; without what tells of arrival."""
    intake = lake.intake()
    assert intake is not None
    names = [f"staging.{source.name}" for source in SOURCES] + ["ops.quarantine"]
    return {name: sorted(map(str, intake.table(name).to_pyarrow().to_pylist())) for name in names}


@pytest.mark.parametrize("seed", [12])
def test_e47_what_is_touched_is_all_that_changes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    days = [FIRST + timedelta(days=number) for number in range(DAYS)]
    deliveries = [(day, write(tmp_path / f"{day}-{part}", book(chance, day))) for day in days for part in range(1 + (day == days[2]))]
    found = []
    for place, order in enumerate((deliveries, chance.sample(deliveries, len(deliveries)))):
        home = tmp_path / f"home{place}"
        if place:  # of two deliveries of a day the later one counts, so their order is part of what was delivered
            order = sorted(order, key=lambda one: [other[0] for other in order].index(one[0]) * 10 + deliveries.index(one))
        with Lake(Settings(home=home, catalog_uri=f"sqlite:///{home}/catalog.db")) as lake:
            for day, folder in order:
                result = ingest_delivery(lake, lake.settings, folder, day, f"{folder.name}")
                assert result.exit_code == 0, result.error
            found.append(content(lake))
            again = replay(lake, lake.settings, "again", everything=True)
            assert content(lake) == found[-1]
            assert not again.changed
    assert found[0] == found[1]
    assert all(found[0][f"staging.{source.name}"] for source in SOURCES)
