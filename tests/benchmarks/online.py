"""Stages: writing 40 float features a client into the online store, and reading them back, ours beside stock Feast."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from tests.benchmarks.bench import Bench, settings_of
from tests.benchmarks.generated import CREATED, EVENT, KEY, LAST, client_id, names, write_features
from tests.benchmarks.harness import Meter, latencies, summary
from tests.benchmarks.report import MET, MISSED, Claim, Section, Step, limit_claim, unmeasured

FEATURES = 40
CALLS = {1: 2000, 100: 500}  # of the reader, by the number of keys; the SDK gets a fifth
OURS, STOCK = "Feast SDK, our store", "Feast SDK, stock store"
WRITE_HOW = (
    "Generated clients with 40 float features each, one row a client. Ours is the platform's publisher (`features/publish.py`) from "
    "Parquet into an empty SQLite file; `feast materialize` with our online store and with Feast's own SQLite store run on fewer "
    "clients and are compared by rows a second (one row = one client with 40 values)."
)
READ_HOW = (
    "Random known clients, all 40 features, one process, one thread, the file in the page cache; the two SDK stores are asked in turn. "
    "The reader gives numpy arrays, Feast's SDK dicts (`get_online_features(...).to_dict()` with a list of features). The SDK reads the"
    " smaller files of the stage before, the reader the large one."
)


def stages(bench: Bench) -> list[Section]:
    """Write, then read what was written."""
    sizes, home = bench.sizes, bench.work / "online"
    steps = {}
    for who, clients in (("large", sizes.online_clients), ("few", sizes.stock_clients)):
        file = bench.work / f"online_{who}.parquet"
        what = {"file": file, "keys": clients, "versions": 1, "days_between": 1, "features": names(FEATURES), "seed": bench.seed}
        made = bench.step(f"write a file of {clients:,} clients", write_features, **what)
        steps[who] = (file, made)
    large, few = steps["large"][0], steps["few"][0]
    ours = bench.step(f"publisher, {sizes.online_clients:,} clients", publish, home=home, file=large, repeats=2)
    through = bench.step(f"feast materialize, our store, {sizes.stock_clients:,} clients", materialize, home=home, file=few, who="ours")
    stock = bench.step(f"feast materialize, stock SQLite, {sizes.stock_clients:,} clients", materialize, home=home, file=few, who="stock")
    large.unlink(missing_ok=True)
    write = Section("Online write", WRITE_HOW, (ours, through, stock), write_claims(ours, stock), write_notes(ours, through, stock))
    return [write, read_stage(bench, home, ours.is_done, through.is_done and stock.is_done)]


def write_claims(ours: Step, stock: Step) -> tuple[Claim, ...]:
    """Speed beside stock, size and memory."""
    what, target = "online write, rows/s beside stock feast materialize", "at least 50x"
    if ours.is_done and stock.is_done:
        speed, other = speed_of(ours), speed_of(stock)
        verdict = MET if speed >= 50 * other else MISSED
        faster = Claim(what, f"{speed:,.0f} rows/s", f"stock: {other:,.0f} rows/s", f"{speed / other:,.0f}x", target, verdict)
    else:
        faster = unmeasured(what, target, ours, stock)
    size = ours.facts["bytes"] / ours.rows if ours.is_done else None
    memory = ours.peak_bytes / 1e9 if ours.is_done else None
    return (
        faster,
        limit_claim("online write, file size a client", size and size / 1000, "KB", 1, ours),
        limit_claim("online write, memory", memory, "GB", 2, ours),
    )


def write_notes(*steps: Step) -> tuple[str, ...]:
    """Bytes a client of each file."""
    sizes = ", ".join(f"{step.name}: {step.facts['bytes'] / step.rows:,.0f}" for step in steps if step.is_done and step.rows)
    return (f"Bytes a client on disk: {sizes}.",) if sizes else ()


def speed_of(step: Step) -> float:
    """Rows a second of wall time."""
    return (step.rows or 0) / (step.wall or 1)


def publish(meter: Meter, home: str, file: str, repeats: int) -> dict[str, Any]:
    """Publish a snapshot into an empty file, by the statements with which a release is published."""
    import features.services  # noqa: F401 (the publisher imports it on first use)
    from features import online_file
    from features import publish as publisher
    from features.online_file import OnlineFile
    from features.packed import PackedSchema
    from warehouse.engine import connect
    from warehouse.lake import Release

    settings = settings_of(home)
    view = online_file.View("lending", "generated", ((KEY, "string"),), PackedSchema(tuple((name, "float64") for name in names(FEATURES))))
    rows = connect(settings).read_parquet(file)
    release = Release(1, LAST.date(), LAST, "benchmark", {}, "")
    for _ in range(repeats):
        settings.online_store.unlink(missing_ok=True)
        target = OnlineFile(settings.online_store, create=True)
        with meter.run() as facts:
            with target.writing() as con:
                made = publisher._write(con, [publisher.Snapshot(view, rows, EVENT, CREATED)], release, settings, None)
            facts["rows"] = made.rows_written
        target.con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        target.close()
    return {"bytes": settings.online_store.stat().st_size}


def materialize(meter: Meter, home: str, file: str, who: str) -> dict[str, Any]:
    """Feast's own materialize into our online store or into its own."""
    from tests.benchmarks.feast_repo import our_store, stock_store

    folder = Path(home) / who
    store = (our_store if who == "ours" else stock_store)(folder, Path(file), FEATURES)
    with meter.run():
        store.materialize(LAST - timedelta(days=1), LAST + timedelta(days=1))
    online = folder / ("online.db" if who == "ours" else "stock_online.db")
    written = sum(part.stat().st_size for part in folder.glob(f"{online.name}*"))
    return {"rows": _count(Path(file)), "bytes": written}


def _count(file: Path) -> int:
    import pyarrow.parquet as pq

    return pq.ParquetFile(file).metadata.num_rows


def read_stage(bench: Bench, home: Path, is_published: bool, is_materialized: bool) -> Section:
    """Read one key and a hundred."""
    sizes, few = bench.sizes, bench.work / "online_few.parquet"
    nothing = Step("", problem="nothing was written to read")
    reader = bench.step("our reader", read_arrays, home=home, clients=sizes.online_clients, seed=bench.seed) if is_published else nothing
    sdk = nothing
    if is_materialized:
        sdk = bench.step("Feast SDK", read_sdk, home=home, file=few, clients=sizes.stock_clients, seed=bench.seed)
    steps = {
        (who, keys): part(step, who, keys, clients)
        for step, clients, names_of in ((reader, sizes.online_clients, ("our reader",)), (sdk, sizes.stock_clients, (OURS, STOCK)))
        for who in names_of
        for keys in CALLS
    }
    claims = [
        limit_claim(f"online read into arrays, {_keys(keys)}, p50", step.facts.get("p50_ms"), "ms", most, step)
        for keys, most, step in ((keys, most, steps["our reader", keys]) for keys, most in ((1, 0.1), (100, 0.5)))
    ]
    claims += [faster_claim(keys, steps[OURS, keys], steps[STOCK, keys]) for keys in CALLS]
    return Section("Online read", READ_HOW, tuple(steps.values()), tuple(claims))


def part(step: Step, who: str, keys: int, clients: int) -> Step:
    """The calls of one kind, of a step that made several kinds."""
    return replace(step, name=f"{who}, {_keys(keys)} of {clients:,}", facts=step.facts.get(f"{who} {keys}", {}))


def _keys(count: int) -> str:
    return f"{count} key{'s' * (count > 1)}"


def faster_claim(keys: int, ours: Step, stock: Step) -> Claim:
    """Feast's SDK on our store beside the same on its own."""
    what, target = f"get_online_features, {_keys(keys)}, p50", "faster than stock"
    if not (ours.is_done and stock.is_done):
        return unmeasured(what, target, ours, stock)
    mine, theirs = ours.facts["p50_ms"], stock.facts["p50_ms"]
    verdict = MET if mine < theirs else MISSED
    return Claim(what, f"{mine:.2f} ms", f"stock: {theirs:.2f} ms", f"{mine / theirs:.2f}x", target, verdict)


def read_arrays(meter: Meter, home: str, clients: int, seed: int) -> dict[str, Any]:
    """Calls of the reader for random keys, another set each."""
    calls = {"our reader": _reader_call(Path(home))}
    return _timed(meter, calls, clients, seed, CALLS)


def read_sdk(meter: Meter, home: str, file: str, clients: int, seed: int) -> dict[str, Any]:
    """Calls of Feast's SDK on both stores in turn, so that whatever else the machine does hits both."""
    calls = {who: _sdk_call(Path(home) / folder, Path(file), folder) for who, folder in ((OURS, "ours"), (STOCK, "stock"))}
    return _timed(meter, calls, clients, seed, {keys: count // 5 for keys, count in CALLS.items()})


def _timed(meter: Meter, calls: dict[str, Any], clients: int, seed: int, counts: dict[int, int]) -> dict[str, Any]:
    draw, found = Random(seed), {}
    for keys, count in counts.items():
        asked = [[client_id(draw.randrange(clients)) for _ in range(keys)] for _ in range(count)]
        with meter.run():
            taken = latencies(calls, asked)
        found |= {f"{who} {keys}": summary(seconds) for who, seconds in taken.items()}
    return found


def _reader_call(home: Path) -> Any:
    from features.online_reader import OnlineReader

    reader = OnlineReader(settings_of(home).online_store, "lending", features=[f"generated:{name}" for name in names(FEATURES)])
    if not reader.read([client_id(0)]).found.all():
        raise RuntimeError("the first client is not in the online file")
    return reader.read


def _sdk_call(folder: Path, file: Path, who: str) -> Any:
    from tests.benchmarks.feast_repo import our_store, refs, stock_store

    store = (our_store if who == "ours" else stock_store)(folder, file, FEATURES)
    asked = refs(FEATURES)

    def call(ids: list[str]) -> Any:
        return store.get_online_features(asked, [{KEY: one} for one in ids]).to_dict()

    if call([client_id(0)])["f00"] == [None]:
        raise RuntimeError("the first client is not in the online store")
    return call
