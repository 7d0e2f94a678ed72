"""Stages: writing 40 float features a client into the online store, and reading them back, ours beside stock Feast."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import redis

from tests.benchmarks.bench import Bench, settings_of
from tests.benchmarks.generated import CREATED, EVENT, KEY, LAST, client_id, names, write_features
from tests.benchmarks.harness import Meter, latencies, summary
from tests.benchmarks.report import MET, MISSED, Claim, Section, Step, limit_claim, unmeasured
from tests.redis_server import MISSING, redis_program, redis_running

FEATURES = 40
CALLS = {1: 2000, 100: 500}  # of the reader, by the number of keys; the SDK gets a fifth
OURS, STOCK = "our store", "stock store"
DATABASES = {"publisher": 0, "ours": 1, "stock": 2}
TURNS = 10  # the SDK stores take turns this often: Feast keeps resolved requests of one registry only, so taking turns each call hits both
LIMITS = {("SQLite", 1): 0.1, ("SQLite", 100): 0.5, ("Redis", 1): 0.15, ("Redis", 100): 0.6}
WRITE_HOW = (
    "Generated clients with 40 float features each, one row a client. Ours is the platform's publisher (`features/publish.py`) from "
    "Parquet into an empty SQLite file or Redis server; `feast materialize` with our online stores and with Feast's own run on fewer "
    "clients and are compared by rows a second (one row = one client with 40 values)."
)
READ_HOW = (
    "Random known clients, all 40 features, one process, one thread, the file in the page cache, the server on the same machine; the two "
    "SDK stores of a kind take turns of many calls. The reader gives numpy arrays, Feast's SDK dicts "
    "(`get_online_features(...).to_dict()` with a list of features). The SDK reads the smaller stores of the stage before, the reader the "
    "large one."
)


def stages(bench: Bench) -> list[Section]:
    """Write, then read what was written, in a file and on a server of the benchmark's own."""
    (bench.work / "redis").mkdir(parents=True, exist_ok=True)
    if redis_program() is None:
        bench.notes.append(f"Redis was not measured: {MISSING}.")
        return _stages(bench, {"SQLite": ""})
    with redis_running(bench.work / "redis") as address:
        return _stages(bench, {"SQLite": "", "Redis": address})


def _stages(bench: Bench, addresses: dict[str, str]) -> list[Section]:
    sizes, home, steps = bench.sizes, bench.work / "online", {}
    for who, clients in (("large", sizes.online_clients), ("few", sizes.stock_clients)):
        file = bench.work / f"online_{who}.parquet"
        what = {"file": file, "keys": clients, "versions": 1, "days_between": 1, "features": names(FEATURES), "seed": bench.seed}
        steps[who] = (file, bench.step(f"write a file of {clients:,} clients", write_features, **what))
    large, few = steps["large"][0], steps["few"][0]
    written: dict[tuple[str, str], Step] = {}
    for kind, address in addresses.items():
        every = {"home": home, "address": address}
        name = f"publisher, {kind}, {sizes.online_clients:,} clients"
        written[kind, "publisher"] = bench.step(name, publish, **every, file=large, repeats=2)
        for who, text in (("ours", f"our {kind} store"), ("stock", f"stock {kind}")):
            name = f"feast materialize, {text}, {sizes.stock_clients:,} clients"
            written[kind, who] = bench.step(name, materialize, **every, file=few, who=who)
    large.unlink(missing_ok=True)
    claims = tuple(claim for kind in addresses for claim in write_claims(kind, written[kind, "publisher"], written[kind, "stock"]))
    write = Section("Online write", WRITE_HOW, tuple(written.values()), claims, write_notes(*written.values()))
    return [write, read_stage(bench, home, addresses, written)]


def write_claims(kind: str, ours: Step, stock: Step) -> tuple[Claim, ...]:
    """Speed beside stock, size and memory."""
    least = 50 if kind == "SQLite" else 1  # the design says nothing of a server
    what, target = (
        f"online write, {kind}, rows/s beside stock feast materialize",
        f"at least {least}x" if least > 1 else "faster than stock",
    )
    if ours.is_done and stock.is_done:
        speed, other = speed_of(ours), speed_of(stock)
        verdict = MET if speed >= least * other else MISSED
        faster = Claim(what, f"{speed:,.0f} rows/s", f"stock: {other:,.0f} rows/s", f"{speed / other:,.0f}x", target, verdict)
    else:
        faster = unmeasured(what, target, ours, stock)
    size = ours.facts["bytes"] / ours.rows if ours.is_done and ours.rows else None
    memory = ours.peak_bytes / 1e9 if ours.is_done else None
    return (
        faster,
        limit_claim(f"online write, {kind}, size a client", size and size / 1000, "KB", 1, ours),
        limit_claim(f"online write, {kind}, memory of the publisher", memory, "GB", 2, ours),
    )


def write_notes(*steps: Step) -> tuple[str, ...]:
    """Bytes a client of each store."""
    sizes = ", ".join(f"{step.name}: {step.facts['bytes'] / step.rows:,.0f}" for step in steps if step.is_done and step.rows)
    return (f"Bytes a client, on disk (SQLite) or in memory (Redis): {sizes}.",) if sizes else ()


def speed_of(step: Step) -> float:
    """Rows a second of wall time."""
    return (step.rows or 0) / (step.wall or 1)


def publish(meter: Meter, home: str, file: str, repeats: int, address: str) -> dict[str, Any]:
    """Publish a snapshot into an empty store, by the code with which a release is published."""
    import features.services  # noqa: F401 (the publisher imports it on first use)
    from features import publish as publisher
    from features.online.backend import View
    from features.online.packed import PackedSchema
    from features.online_of_settings import online_backend
    from warehouse.engine import connect
    from warehouse.lake import Release

    settings = replace(settings_of(home), online_address=address and database(address, "publisher"))
    view = View("lending", "generated", ((KEY, "string"),), PackedSchema(tuple((name, "float64") for name in names(FEATURES))))
    rows = connect(settings).read_parquet(file)
    release = Release(1, LAST.date(), LAST, "benchmark", {}, "")
    for _ in range(repeats):
        if not address:
            settings.online_store.unlink(missing_ok=True)
        before = _memory(settings.online_address, flush=True)
        target = online_backend(settings, create=True)
        with meter.run() as facts:
            with target.publishing([view]) as publication:
                made = publisher.write_snapshots(publication, [publisher.Snapshot(view, rows, EVENT, CREATED)], release, settings)
            facts["rows"] = made.rows_written
        target.close()
    return {"bytes": _memory(settings.online_address) - before if address else _on_disk(settings.online_store)}


def materialize(meter: Meter, home: str, file: str, who: str, address: str) -> dict[str, Any]:
    """Feast's own materialize into our online store or into its own."""
    from tests.benchmarks.feast_repo import our_store, stock_store

    folder, server = Path(home) / _folder(who, address), address and database(address, who)
    before = _memory(server, flush=True)
    store = (our_store if who == "ours" else stock_store)(folder, Path(file), FEATURES, server)
    with meter.run():
        store.materialize(LAST - timedelta(days=1), LAST + timedelta(days=1))
    online = folder / ("online.db" if who == "ours" else "stock_online.db")
    return {"rows": _count(Path(file)), "bytes": _memory(server) - before if address else _on_disk(online)}


def database(address: str, who: str) -> str:
    """The database of one of those that write to the server."""
    return f"{address.rpartition('/')[0]}/{DATABASES[who]}"


def _folder(who: str, address: str) -> str:
    return f"{who}_redis" if address else who


def _memory(address: str, flush: bool = False) -> int:
    """Bytes that the server holds; 0 where there is none."""
    if not address:
        return 0
    with redis.Redis.from_url(address) as client:
        if flush:
            client.flushdb()
        return int(client.info("memory")["used_memory"])


def _on_disk(online: Path) -> int:
    """Bytes of a file with its log."""
    return sum(part.stat().st_size for part in online.parent.glob(f"{online.name}*"))


def _count(file: Path) -> int:
    import pyarrow.parquet as pq

    return pq.ParquetFile(file).metadata.num_rows


def read_stage(bench: Bench, home: Path, addresses: dict[str, str], written: dict[tuple[str, str], Step]) -> Section:
    """Read one key and a hundred, from each store in each way."""
    sizes, few = bench.sizes, bench.work / "online_few.parquet"
    nothing, steps, claims = Step("", problem="nothing was written to read"), {}, []
    for kind, address in addresses.items():
        every = {"home": home, "seed": bench.seed, "address": address}
        reader = sdk = nothing
        if written[kind, "publisher"].is_done:
            reader = bench.step(f"our reader, {kind}", read_arrays, **every, clients=sizes.online_clients)
        if written[kind, "ours"].is_done and written[kind, "stock"].is_done:
            sdk = bench.step(f"Feast SDK, {kind}", read_sdk, **every, file=few, clients=sizes.stock_clients)
        for keys in CALLS:
            ours = steps[kind, "reader", keys] = part(reader, f"our reader, {kind}", "our reader", keys, sizes.online_clients)
            what = f"online read into arrays, {kind}, {_keys(keys)}, p50"
            claims.append(limit_claim(what, ours.facts.get("p50_ms"), "ms", LIMITS[kind, keys], reader))
        for who in (OURS, STOCK):
            for keys in CALLS:
                steps[kind, who, keys] = part(sdk, f"Feast SDK, {kind}, {who}", who, keys, sizes.stock_clients)
        claims += [faster_claim(kind, keys, steps[kind, OURS, keys], steps[kind, STOCK, keys]) for keys in CALLS]
    return Section("Online read", READ_HOW, tuple(steps.values()), tuple(claims))


def part(step: Step, name: str, who: str, keys: int, clients: int) -> Step:
    """The calls of one kind, of a step that made several kinds."""
    return replace(step, name=f"{name}, {_keys(keys)} of {clients:,}", facts=step.facts.get(f"{who} {keys}", {}))


def _keys(count: int) -> str:
    return f"{count} key{'s' * (count > 1)}"


def faster_claim(kind: str, keys: int, ours: Step, stock: Step) -> Claim:
    """Feast's SDK on our store beside the same on its own."""
    what, target = f"get_online_features, {kind}, {_keys(keys)}, p50", "faster than stock"
    if not (ours.is_done and stock.is_done):
        return unmeasured(what, target, ours, stock)
    mine, theirs = ours.facts["p50_ms"], stock.facts["p50_ms"]
    verdict = MET if mine < theirs else MISSED
    return Claim(what, f"{mine:.2f} ms", f"stock: {theirs:.2f} ms", f"{mine / theirs:.2f}x", target, verdict)


def read_arrays(meter: Meter, home: str, clients: int, seed: int, address: str) -> dict[str, Any]:
    """Calls of the reader for random keys, another set each."""
    calls = {"our reader": _reader_call(Path(home), address)}
    return _timed(meter, calls, clients, seed, CALLS)


def read_sdk(meter: Meter, home: str, file: str, clients: int, seed: int, address: str) -> dict[str, Any]:
    """Calls of Feast's SDK on both stores of a kind in turn, so that whatever else the machine does hits both."""
    calls = {text: _sdk_call(Path(home), Path(file), who, address) for text, who in ((OURS, "ours"), (STOCK, "stock"))}
    return _timed(meter, calls, clients, seed, {keys: count // 5 for keys, count in CALLS.items()})


def _timed(meter: Meter, calls: dict[str, Any], clients: int, seed: int, counts: dict[int, int]) -> dict[str, Any]:
    draw, found = Random(seed), {}
    for keys, count in counts.items():
        asked = [[client_id(draw.randrange(clients)) for _ in range(keys)] for _ in range(count)]
        taken: dict[str, list] = {who: [] for who in calls}
        with meter.run():
            for turn in range(TURNS):
                for who, call in calls.items():
                    taken[who] += latencies({who: call}, asked[turn::TURNS], warm=2)[who]
        found |= {f"{who} {keys}": summary(seconds) for who, seconds in taken.items()}
    return found


def _reader_call(home: Path, address: str) -> Any:
    from features.online.reader import OnlineReader
    from features.online_of_settings import online_backend

    settings = replace(settings_of(home), online_address=address and database(address, "publisher"))
    reader = OnlineReader(online_backend(settings), features=[f"generated:{name}" for name in names(FEATURES)])
    if not reader.read([client_id(0)]).found.all():
        raise RuntimeError("the first client is not in the online store")
    return reader.read


def _sdk_call(home: Path, file: Path, who: str, address: str) -> Any:
    from tests.benchmarks.feast_repo import our_store, refs, stock_store

    make, server = our_store if who == "ours" else stock_store, address and database(address, who)
    store, asked = make(home / _folder(who, address), file, FEATURES, server), refs(FEATURES)

    def call(ids: list[str]) -> Any:
        return store.get_online_features(asked, [{KEY: one} for one in ids]).to_dict()

    if call([client_id(0)])["f00"] == [None]:
        raise RuntimeError("the first client is not in the online store")
    return call
