"""Stage: POST /score beside an empty BentoML endpoint that is served the same way at the same time.

Everything goes over loopback from one process with kept connections. Both servers run at once and are asked in turn; the client shares
the cores with them.
"""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

from tests.benchmarks.bench import Bench, settings_of
from tests.benchmarks.harness import Call, Meter, NotPossible, latencies, summary, tree_bytes
from tests.benchmarks.report import Claim, Section, Step, least_claim, unmeasured
from warehouse.settings import Settings

CONNECTIONS = 2  # for clients a second
HOW = (
    "`bentoml serve` as `lending up` starts it, one worker, with the API key checked and the prediction log written; clients of the "
    "release, features from the online file. Latencies are those of one connection, the empty endpoint asked in turn. Clients a second "
    f"are those of {CONNECTIONS} connections with 100 clients a request. The load comes from the same cores. Memory is that of the scoring "
    "server."
)


def stage(bench: Bench, home: Path | None) -> Section:
    """Promote a model, serve it and ask."""
    steps: list[Step] = []
    notes: list[str] = []
    if home is None:
        problem = Step("online features of a release", problem="no book was built")
        return Section("POST /score", HOW, (problem,), tuple(claims({}, problem)))
    online = bench.step("materialize: publish online and compare", materialize, home=home)
    steps.append(online)
    if not online.is_done:
        return Section("POST /score", HOW, tuple(steps), tuple(claims({}, online)))
    trained = bench.step("train and promote", train, bench.sizes.build_seconds, home=home)
    steps.append(trained)
    if not trained.is_done:
        steps.append(bench.step("write a random model instead", random_model, home=home, seed=bench.seed))
        notes.append("The served model is a random one of 300 trees and 31 leaves: none was trained (see the table).")
    else:
        notes.append(f"The served model was trained on the release: {trained.facts['trees']} trees, {trained.facts['rows']:,} rows.")
    served = bench.step("serve and ask", ask, home=home, requests=bench.sizes.requests, seed=bench.seed)
    memory = served.facts.get("server_bytes", 0)
    calls = {
        name: replace(served, name=name, facts=facts, peak_bytes=0 if name == EMPTY else memory)
        for name, facts in served.facts.items()
        if isinstance(facts, dict)
    }
    return Section("POST /score", HOW, (*steps, *(calls.values() or (served,))), tuple(claims(calls, served)), tuple(notes))


def claims(calls: dict[str, Step], served: Step) -> Iterator[Claim]:
    """The targets of the endpoint."""
    p50 = "POST /score, 1 client with reasons, p50 beside an empty endpoint"
    tail = "POST /score, 1 client with reasons, p99 beside its p50"
    if not calls:
        yield unmeasured(p50, "at most 2x", served)
        yield unmeasured(tail, "at most 3x", served)
    else:
        one, empty = calls[ONE].facts, calls[EMPTY].facts
        yield _times(p50, one["p50_ms"], empty["p50_ms"], "empty endpoint", 2)
        yield _times(tail, one["p99_ms"], one["p50_ms"], "its p50", 3)
    for name, least in ((PLAIN, 3000), (REASONS, 1000)):
        facts = calls[name].facts if calls else {}
        yield least_claim(f"POST /score, {name}", facts.get("clients_per_second"), "clients/s", least, served)


def _times(what: str, value: float, other: float, name: str, most: float) -> Claim:
    verdict = "met" if value <= most * other else "missed"
    return Claim(what, f"{value:.2f} ms", f"{name}: {other:.2f} ms", f"{value / other:.2f}x", f"at most {most:g}x", verdict)


EMPTY, ONE = "empty endpoint", "1 client with reasons"
PLAIN, REASONS = "100 clients without reasons", "100 clients with reasons"


def materialize(meter: Meter, home: str) -> dict[str, Any]:
    """Publish the release online, as the command does."""
    from orchestration.commands.runs import Runner

    runner = Runner(settings_of(home))
    with meter.run():
        done = runner.run("materialize")
    (made,) = done.get_asset_materialization_events()
    return {"rows": made.materialization.metadata["rows_written"].value}


def train(meter: Meter, home: str) -> dict[str, Any]:
    """Train, register and promote without the gate, as the commands do."""
    from orchestration.commands.runs import Runner, step_metadata
    from training.model import load_booster
    from training.refusal import TrainingRefused

    settings = settings_of(home)
    runner = Runner(settings)
    try:
        with meter.run():
            facts = step_metadata(runner.run("train"), "training/default_risk")
            runner.run("promote", config={"serving__bundle": {"force": True}})
    except TrainingRefused as error:
        raise NotPossible(str(error)) from error
    trees = load_booster((settings.bundles / "current" / "model.txt").read_text()).num_trees()
    return {"rows": facts["rows"], "trees": trees, "test_auc": facts["test_auc"]}


def random_model(meter: Meter, home: str, seed: int) -> dict[str, Any]:
    """Promote a random model."""
    from tests.benchmarks.model import write_bundle

    with meter.run():
        write_bundle(settings_of(home).bundles, seed)
    return {}


def ask(meter: Meter, home: str, requests: int, seed: int) -> dict[str, Any]:
    """Serve both endpoints and ask them."""
    from serving.auth import new_key

    key, digest = new_key()
    day, ids = clients_of(home)
    settings = settings_of(home, today=day, api_key_sha256=(digest,))
    draw, found = Random(seed), {}
    with servers(settings) as (scoring, empty, pid):
        targets = {ONE: Client(scoring, key), EMPTY: Client(empty, key)}
        with meter.run():
            taken = latencies({name: client.ask for name, client in targets.items()}, [body(draw, ids, 1, True) for _ in range(requests)])
        found |= {name: served_summary(spent) for name, spent in taken.items()}
        for name, reasons in ((PLAIN, False), (REASONS, True)):
            bodies = [body(draw, ids, 100, reasons) for _ in range(requests)]
            with meter.run():
                found[name] = crowd(scoring, key, name, bodies)
        found["server_bytes"] = tree_bytes(pid)
    return found


def crowd(port: int, key: str, name: str, bodies: list[bytes]) -> dict[str, float]:
    """Latencies of one connection, and clients a second of several with the same requests."""
    client = Client(port, key)
    figures = served_summary(latencies({name: client.ask}, bodies[: max(30, len(bodies) // 3)])[name])
    shares = [bodies[place::CONNECTIONS] for place in range(CONNECTIONS)]

    def work(share: list[bytes]) -> None:
        mine = Client(port, key)
        for one in share:
            mine.ask(one)

    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return figures | {"clients_per_second": 100 * len(bodies) / (time.perf_counter() - started)}


def served_summary(spent: Sequence[Call]) -> dict[str, float]:
    """The figures of calls whose work is done in another process, so that CPU time here says nothing."""
    return {name: value for name, value in summary(spent).items() if name != "cpu_p50_ms"}


class Client:
    """One kept connection; every answer must be a 200, and every client of it scored."""

    def __init__(self, port: int, key: str) -> None:
        self._con = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}

    def ask(self, content: bytes) -> None:
        """Post a body and read the answer."""
        self._con.request("POST", "/score", content, self._headers)
        answer = self._con.getresponse()
        text = answer.read()
        compact = text.replace(b" ", b"")
        if answer.status != 200 or (compact != b"{}" and (b'"scored"' not in compact or b'"probability":null' in compact)):
            raise RuntimeError(f"HTTP {answer.status}: {text[:300]!r}")


def body(draw: Random, ids: list[str], count: int, reasons: bool) -> bytes:
    """A request for random clients."""
    return json.dumps({"client_ids": [draw.choice(ids) for _ in range(count)], "reasons": reasons}).encode()


def clients_of(home: str) -> tuple[date, list[str]]:
    """Business date of the release, and ids of clients with features on it."""
    from warehouse.lake import Lake

    with Lake(settings_of(home)) as lake:
        pinned = lake.at()
        day = pinned.release.business_date
        rows = pinned.table("features.client_repayment").filter(lambda row: row.as_of_on == day)
        return day, rows.select("client_id").order_by("client_id").limit(10_000).to_pyarrow()["client_id"].to_pylist()


@contextmanager
def servers(settings: Settings) -> Iterator[tuple[int, int, int]]:
    """Ports of the scoring endpoint and of an empty one, both ready, and the process of the first."""
    from orchestration import processes

    scoring_port, empty_port = free_ports(2)
    ours = processes.scoring(replace(settings, bentoml_port=scoring_port))
    other = processes.scoring(replace(settings, bentoml_port=empty_port))
    service = "tests.benchmarks.empty_service:Empty"
    command = tuple(service if part == "serving.service:DefaultRisk" else part for part in other.command)
    with ExitStack() as stack:
        running = [stack.enter_context(processes.start(one, settings)) for one in (ours, replace(other, name="empty", command=command))]
        for one in running:
            one.wait_ready(120)
        yield scoring_port, empty_port, running[0].process.pid


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
