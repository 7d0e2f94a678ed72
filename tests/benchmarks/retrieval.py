"""Stage: historical retrieval through Feast, ours beside stock and beside a scan of the same file."""

from pathlib import Path
from typing import Any

from tests.benchmarks.bench import Bench
from tests.benchmarks.generated import EVENT, KEY, LAST, client_id, names, write_features
from tests.benchmarks.harness import Meter
from tests.benchmarks.report import MET, MISSED, Claim, Section, Step, limit_claim, ratio_claim, unmeasured

FEATURES = 10
DEEP, SHALLOW = 500, 10  # versions of a key in the file
DAYS = {DEEP: 500, SHALLOW: 300}  # over which they are spread
HOW = (
    "`get_historical_features(...).to_arrow()` for entity rows in pandas with random keys and times, 10 float features, TTL 90 days, "
    "knowledge cut on. The file is written in order of time: deep has 500 daily versions of a key, shallow 10 a month apart. Ours reads "
    "it as a local file of a source that promises one row per key and time, as the platform's own source does, and joins it outside of "
    "the engine (docs/offline-store.md). The reference sums every column of the file; handing every row over as Arrow is shown too and "
    "judges nothing. Stock is Feast's DuckDB offline store on the same file and entity rows, in a process that is ended at 14 GB; where "
    "it holds all earlier versions of every asked key at once (deep), it and ours are also asked fewer rows."
)


def stage(bench: Bench) -> Section:
    """Measure deep and shallow history."""
    steps: list[Step] = []
    claims: list[Claim] = []
    for label, versions, target in (("deep", DEEP, 5.0), ("shallow", SHALLOW, 4.0)):
        file = bench.work / f"history_{label}.parquet"
        made = bench.step(
            f"write the {label} file",
            write_features,
            file=file,
            keys=max(1, bench.sizes.feature_rows // versions),
            versions=versions,
            days_between=DAYS[versions] // versions,
            features=names(FEATURES),
            seed=bench.seed,
        )
        if not made.is_done:
            steps.append(made)
            claims.append(unmeasured(f"historical retrieval, {label}", f"at most {target:g}x", made))
            continue
        found, said = shape(bench, label, versions, target, file)
        steps += found
        claims += said
        file.unlink()
    return Section("Historical retrieval", HOW, tuple(steps), tuple(claims))


def shape(bench: Bench, label: str, versions: int, target: float, file: Path) -> tuple[list[Step], list[Claim]]:
    """One file: scan, ours, stock."""
    sizes = bench.sizes
    keys = max(1, sizes.feature_rows // versions)

    def asked(who: str, rows: int, repeats: int) -> Step:
        return bench.step(
            f"{who}, {label}, {rows:,} entity rows", retrieve, home=bench.work / f"feast_{label}_{who}", file=file, who=who, rows=rows,
            keys=keys, versions=versions, seed=bench.seed, repeats=repeats,
        )  # fmt: skip

    scan = bench.step(f"plain scan of the {label} file", scan_file, file=file, repeats=sizes.repeats)
    rows_out = bench.step(f"every row of the {label} file into Arrow", read_rows, file=file, repeats=sizes.repeats)
    ours = asked("ours", sizes.entity_rows, sizes.repeats)
    stock_rows = sizes.stock_entity_rows if versions == DEEP else sizes.entity_rows
    same = ours if stock_rows == sizes.entity_rows else asked("ours", stock_rows, 1)
    stock = asked("stock", stock_rows, 1)
    what = f"historical retrieval, {label}, {sizes.feature_rows:,} feature rows, {sizes.entity_rows:,} entity rows"
    claims = [ratio_claim(what, ours, scan, target)]
    if versions == DEEP:
        claims.append(limit_claim(f"historical retrieval, {label}, memory", ours.peak_bytes / 1e9 if ours.is_done else None, "GB", 2, ours))
    claims.append(beside_stock(f"historical retrieval, {label}, beside stock Feast, {stock_rows:,} entity rows", same, stock))
    return [scan, rows_out, ours, *([] if same is ours else [same]), stock], claims


def beside_stock(what: str, ours: Step, stock: Step) -> Claim:
    """Never slower than stock Feast; stock that could not finish is slower."""
    target = "never slower"
    if not ours.is_done:
        return unmeasured(what, target, ours)
    if not stock.is_done:
        return Claim(what, f"{ours.cpu:.1f} CPU s, {ours.peak_bytes / 1e9:.1f} GB", f"stock: {stock.problem}", "", target, MET)
    reference = f"stock: {stock.cpu:.1f} CPU s, {stock.peak_bytes / 1e9:.1f} GB"
    verdict = MET if ours.cpu <= stock.cpu else MISSED
    return Claim(what, f"{ours.cpu:.1f} CPU s, {ours.peak_bytes / 1e9:.1f} GB", reference, f"{ours.cpu / stock.cpu:.2f}x", target, verdict)


def scan_file(meter: Meter, file: str, repeats: int) -> dict[str, Any]:
    """Sum every column."""
    from tests.benchmarks.plain_sql import connect, files_sql, scan

    con = connect()
    table = files_sql([file])
    columns = [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()]
    for _ in range(repeats):
        with meter.run() as facts:
            facts["rows"] = scan(con, table, columns)
    return {}


def read_rows(meter: Meter, file: str, repeats: int) -> dict[str, Any]:
    """Hand every row over, which a scan that sums does not."""
    from tests.benchmarks.plain_sql import connect, files_sql

    con = connect()
    for _ in range(repeats):
        with meter.run() as facts:
            facts["rows"] = sum(batch.num_rows for batch in con.execute(f"SELECT * FROM {files_sql([file])}").to_arrow_reader(122_880))
    return {}


def retrieve(meter: Meter, home: str, file: str, who: str, rows: int, keys: int, versions: int, seed: int, repeats: int) -> dict[str, Any]:
    """Ask Feast for the features of random keys at random times."""
    from tests.benchmarks.feast_repo import our_store, refs, stock_store

    store = (our_store if who == "ours" else stock_store)(Path(home), Path(file), FEATURES)
    entities = questions(rows, keys, versions, seed)
    store.get_historical_features(entities.head(10), refs(FEATURES)).to_arrow()  # libraries that are imported on first use
    for _ in range(repeats):
        with meter.run() as facts:
            answer = store.get_historical_features(entities, refs(FEATURES)).to_arrow()
        facts["rows"] = answer.num_rows
        facts["found"] = answer.num_rows - answer["f00"].null_count
        del answer
    return {}


def questions(rows: int, keys: int, versions: int, seed: int) -> Any:
    """Entity rows: a key and a time within the history each."""
    import numpy as np
    import pandas as pd

    draw = np.random.default_rng(seed)
    back = pd.to_timedelta(draw.integers(0, DAYS[versions] * 86_400, rows), unit="s")
    ids = [client_id(key) for key in draw.integers(0, keys, rows).tolist()]
    return pd.DataFrame({KEY: ids, EVENT: pd.Timestamp(LAST).as_unit("us") - back.as_unit("us")})
