"""Two hundred generated clients through the commands: killed builds, a build again, a backfill, online features, a rollback."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from warehouse import open_warehouse
from warehouse.settings import Settings
from warehouse.simulate import PROFILES, Simulation, simulate

pytestmark = pytest.mark.integration

LENDING = Path(sys.executable).parent / "lending"
FLOW = ("new_contract_count", "new_principal_amount", "written_off_count", "sold_count")
VOLATILE = {"computed_at"}  # the wall clock of a computation, which is no fact


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def lender(tmp_path_factory):
    return simulate(replace(PROFILES["tiny"], months=18, days=1), 3, tmp_path_factory.mktemp("lender"))


def lending(home: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the command with its state in a folder of its own; it must succeed."""
    done = subprocess.run([LENDING, *arguments], env=environment(home), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def environment(home: Path) -> dict[str, str]:
    return os.environ | {"LENDING_HOME": str(home)}


def status(home: Path) -> dict:
    return json.loads(lending(home, "status", "--json").stdout)


def content(home: Path, name: str, release_id: int) -> pa.Table:
    """The rows of a table of a release, in an order of their own."""
    table = open_warehouse(Settings.from_env({"LENDING_HOME": str(home)})).at(release_id).table(name)
    kept = [column for column in table.columns if column not in VOLATILE]
    return table.select(kept).order_by(kept).to_pyarrow()


@pytest.fixture(scope="module")
def ingested(home, lender) -> Path:
    day, folder = lender.deliveries[0]
    lending(home, "ingest", str(folder), "--business-date", day.isoformat())
    return home


def test_a_killed_build_publishes_nothing_and_the_next_one_is_whole(ingested):
    for latest in (4, 12):  # while it starts, and anywhere in its work
        build = subprocess.Popen([LENDING, "build"], env=environment(ingested), stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(random.uniform(2, latest))
        with suppress(ProcessLookupError):
            os.killpg(build.pid, signal.SIGKILL)
        build.wait()
        if build.returncode != -signal.SIGKILL:  # it was done before
            break
        assert status(ingested)["release_id"] is None
    lending(ingested, "build")
    assert status(ingested)["release_id"] == 1


def test_building_again_gives_the_same_tables(ingested):
    assert lending(ingested, "build").stdout.strip() == "release 1 is current"
    lending(ingested, "build", "--force")
    names = open_warehouse(Settings.from_env({"LENDING_HOME": str(ingested)})).at(2).release.tables
    for name in names:
        assert content(ingested, name, 1).equals(content(ingested, name, 2)), name


def test_a_backfill_adds_the_days_and_leaves_the_others(ingested, lender):
    last = lender.deliveries[0][0]
    first = last - timedelta(days=2)
    before = content(ingested, "features.client_repayment", 2)
    lending(ingested, "backfill", "--from", first.isoformat(), "--to", last.isoformat())
    after = content(ingested, "features.client_repayment", 3)
    days = set(after["as_of_on"].to_pylist()) - set(before["as_of_on"].to_pylist())
    assert days == {first, first + timedelta(days=1)}
    old = set(before["as_of_on"].to_pylist())
    kept = after.filter(pa.array([day in old for day in after["as_of_on"].to_pylist()]))
    assert kept.equals(before)


def test_online_follows_a_new_delivery_and_a_rollback(ingested, lender):
    assert "release 3" in lending(ingested, "materialize").stdout
    assert status(ingested)["online_business_date"] == lender.deliveries[0][0].isoformat()
    day, folder = lender.deliveries[1]
    lending(ingested, "ingest", str(folder), "--business-date", day.isoformat())
    lending(ingested, "build")
    lending(ingested, "materialize")
    assert status(ingested)["online_business_date"] == day.isoformat()
    assert "release 5 has the tables of release 3" in lending(ingested, "rollback", "--to", "3").stdout
    assert status(ingested)["online_business_date"] == lender.deliveries[0][0].isoformat()


def test_marts_hold_what_the_generator_counted(ingested, lender):
    """Stock by status and region, and contracts begun and lost by month, equal figures that come from the truth."""
    stock = content(ingested, "marts.loan_distribution_by_region", 4).to_pylist()
    flow: defaultdict[tuple[str, str], Counter] = defaultdict(Counter)
    for row in stock:
        flow[row["month_on"].isoformat(), row["product_type_id"]].update({name: int(row[name]) for name in FLOW[:2]})
    for row in content(ingested, "marts.portfolio_by_region_month", 4).to_pylist():
        flow[row["month_on"].isoformat(), row["product_type_id"]].update({name: row[name] for name in FLOW[2:]})
    last = max(row["month_on"] for row in stock)

    assert {
        (row["region_id"], row["product_type_id"], row["status"]): (row["contract_count"], int(row["principal_amount"]))
        for row in stock
        if row["month_on"] == last
    } == {
        (row["region_id"], row["product_type_id"], row["status"]): (int(row["contract_count"]), int(row["principal_amount"]))
        for row in expected(lender, "loan_distribution")
    }
    assert {key: tuple(counts[name] for name in FLOW) for key, counts in flow.items() if any(counts.values())} == {
        (row["month_on"], row["product_type_id"]): tuple(int(row[name]) for name in FLOW) for row in expected(lender, "contract_flow")
    }


def expected(lender: Simulation, name: str) -> list[dict[str, str]]:
    with (lender.expected / f"{name}.csv").open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_names_of_people_stay_in_raw_and_staging(ingested, lender):
    with (lender.deliveries[0][1] / "clients.csv").open(encoding="utf-8", newline="") as text:
        names = {row["given_name"] for row in csv.DictReader(text)}
    planted = [
        spelled
        for name in sorted(names)
        if " " in name and not name.isascii()
        for spelled in (name.encode(), json.dumps(name)[1:-1].encode())
    ]
    assert planted
    shown = [ingested / "dagster", ingested / "logs", ingested / "mlflow.db", ingested / "online.db", ingested / "reports"]
    files = [file for place in shown for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
    assert files
    for file in files:
        data = file.read_bytes()
        assert not any(name in data for name in planted), file
