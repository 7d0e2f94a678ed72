"""`lending demo`: the whole path on a generated lender, from its first delivery to a score over HTTP and a drift report."""

import argparse
import json
import sys
import time
import urllib.request
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from orchestration import processes
from orchestration.cli import DONE
from orchestration.commands.model import score_line
from orchestration.commands.reading import plain, print_table
from orchestration.commands.runs import Runner, step_metadata
from serving.auth import new_key
from warehouse.settings import Settings

PORTFOLIO = """
select coalesce(above.region_name, portfolio.region_name) as region, sum(open_contract_count) as open_contracts,
       cast(sum(outstanding_principal_amount) / 1e6 as bigint) as outstanding_million,
       sum(par30_amount) / nullif(sum(outstanding_principal_amount), 0) as par30_ratio,
       sum(late_count) / nullif(sum(installments_due_count), 0) as late_ratio
from marts.portfolio_by_region_month portfolio
left join curated.dim_region province on province.region_id = portfolio.region_id and province.is_current
left join curated.dim_region above on above.region_id = province.parent_region_id and above.is_current
where month_on = (select max(month_on) from marts.portfolio_by_region_month where is_complete_month)
group by region order by region
"""
RISK = """
select grade, count(*) as clients, avg(probability) as mean_probability,
       cast(sum(outstanding_principal_amount) / 1e6 as bigint) as outstanding_million
from marts.client_default_risk
where status = 'scored' and business_date = (select max(business_date) from marts.client_default_risk)
group by grade order by grade
"""
RISKIEST = """
select client_id from marts.client_default_risk where status = 'scored' order by business_date desc, probability desc, client_id limit 1
"""


def demo(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run every stage once and print what happened and where to look next."""
    started = time.monotonic()
    steps = _Steps(started)
    steps.begin(f"a lender is generated (profile {arguments.profile}, seed {arguments.seed})")
    delivered = deliveries(settings.home / "demo", arguments.profile, arguments.seed)
    last = max(business_date for business_date, _ in delivered)
    key, digest = new_key()
    settings = replace(settings, today=last, api_key_sha256=(digest,))
    settings.remember("LENDING_TODAY", "LENDING_API_KEY_SHA256")

    with Runner(settings) as runner:
        for business_date, folder in delivered:
            steps.begin(f"delivery of {business_date} is ingested")
            runner.run("ingest", [business_date], {"intake": {"path": str(folder)}})
        steps.begin("curated tables, marts and features are built and published")
        if runner.platform.current_release() is None:
            runner.run("build", [last])
        steps.begin("features go online and are compared with the release")
        runner.run("materialize")
        steps.begin("a model is trained and registered")
        model = step_metadata(runner.run("train"), "training/default_risk")
        steps.begin("the model is promoted and scores every client")
        runner.run("promote", config={"serving__bundle": {"force": bool(model["unmet_rules"] != "none")}})
        runner.run("score")
        steps.begin("BentoML is started and asked for a score")
        warehouse = _warehouse(runner)
        client_id = warehouse.sql(RISKIEST).to_pyarrow()["client_id"][0].as_py()
        answer = ask(settings, key, [client_id])
        steps.begin("the drift report is written")
        drift = step_metadata(runner.run("drift"), "ops/drift_metric")
        steps.begin("the portfolio report is written")
        report = step_metadata(runner.run("report"), "report/portfolio")
        print_summary(settings, key, warehouse, model, answer, drift, report, time.monotonic() - started)
        return DONE


def deliveries(out: Path, profile: str, seed: int) -> list[tuple[date, Path]]:
    """Business date and folder of the deliveries of the generated lender, in the order of arrival; written once."""
    from warehouse.simulate import read_arrivals, simulate

    home = out / f"{profile}_{seed}"
    if not (home / "delivery" / "arrivals.csv").exists():
        simulate(profile, seed, home)
    return read_arrivals(home / "delivery")


def ask(settings: Settings, key: str, client_ids: list[str]) -> dict[str, Any]:
    """Start the scoring endpoint, ask it once, and stop it."""
    server = processes.scoring(settings)
    with processes.start(server, settings) as running:
        running.wait_ready()
        request = urllib.request.Request(
            f"http://{settings.host}:{settings.bentoml_port}/score",
            data=json.dumps({"client_ids": client_ids}).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return json.load(response)


def print_summary(
    settings: Settings,
    key: str,
    warehouse: Any,
    model: dict,
    answer: dict,
    drift: dict,
    report: dict,
    seconds: float,
) -> None:
    """What happened, for a person."""
    from orchestration.commands.reading import status_facts

    facts = status_facts(settings)
    print(f"\nThe whole path took {seconds:.0f} s.\n")
    print(
        f"Delivered   {facts['files']} files, {facts['rows_in']} rows: {facts['accepted']} accepted, {facts['duplicate']} duplicate, "
        f"{facts['quarantined']} quarantined, {facts['parked']} parked, {facts['rejected']} rejected"
    )
    print(f"Published   release {facts['release_id']} of business date {facts['release_business_date']}")
    for title, query in (("Regions, last complete month", PORTFOLIO), ("Clients by grade", RISK)):
        answer_table = warehouse.sql(query).to_pyarrow()
        print(f"\n{title}")
        print_table(answer_table.column_names, [[plain(value) for value in row.values()] for row in answer_table.to_pylist()])
    print(
        f"\nModel       version {model['model_version']}: {model['rows']} rows, {model['defaults']} defaults, out-of-time AUC "
        f"{model['test_auc']:.3f}, Gini {model['test_gini']:.3f}; gate: {model['unmet_rules']} unmet"
    )
    (result,) = answer["results"]
    print(f"Score       {score_line(result)}")
    for reason in result["reasons"]:
        print(f"            {reason['text']} ({reason['feature']})")
    print(f"Drift       greatest stability index {drift['greatest_index']:.3f}, of {drift['greatest_index_of']}: {drift['page']}")
    print(f"Report      {report['page']}")
    print(f"\nNext        make up, then open http://{settings.host}:{settings.dagster_port} (Dagster) and the pages that it lists")
    print(f"            API key of the scoring endpoint (stored as a hash only): {key}")
    print("            .venv/bin/lending sql 'select * from marts.client_default_risk order by probability desc limit 5'")


def _warehouse(runner: Runner) -> Any:
    from warehouse.warehouse import Warehouse

    return Warehouse(runner.platform.lake)


class _Steps:
    """Announces steps with the seconds since the start."""

    def __init__(self, started: float) -> None:
        self._started = started

    def begin(self, text: str) -> None:
        print(f"[{time.monotonic() - self._started:5.1f} s] {text}", file=sys.stderr, flush=True)
