"""Add verified files to raw: text as delivered, with where and when it came from. Raw is only ever added to."""

from collections.abc import Iterable
from datetime import date, datetime

import ibis
import ibis.expr.types as ir

from warehouse.lake import Candidate, Lake
from warehouse.raw.verify import VerifiedFile
from warehouse.sources import SourceTable


def append_raw(lake: Lake, candidate: Candidate, files: Iterable[VerifiedFile], business_date: date, now: datetime) -> dict[str, int]:
    """Stage the rows of new files in raw.

    Returns:
        rows added by table, such as raw.clients.
    """
    by_source: dict[str, list[VerifiedFile]] = {}
    for file in files:
        by_source.setdefault(file.file.source.name, []).append(file)
    added = {}
    for of_source in by_source.values():
        source = of_source[0].file.source
        tables = [raw_rows(lake, file, business_date, now, candidate.run_id) for file in of_source if file.rows]
        spec = source.raw_spec()
        if tables:
            added[spec.name] = candidate.write(
                spec, ibis.union(tables[0], *tables[1:]) if len(tables) > 1 else tables[0], replace="append", within=[business_date]
            )
            candidate.audit(spec)
    return added


def raw_rows(lake: Lake, file: VerifiedFile, business_date: date, now: datetime, run_id: str) -> ir.Table:
    """The spooled rows of one file as rows of raw.

    Grain: one row per row of the file.
    """
    if file.spooled is None:
        raise ValueError(f"{file.file.name}: was not read, so it has no rows to store")
    source: SourceTable = file.file.source
    rows = lake.con.read_parquet(str(file.spooled.path))
    return rows.mutate(
        business_date=ibis.date(business_date),
        source_file=ibis.literal(file.file.name),
        source_sha256=ibis.literal(file.sha256),
        schema_version=ibis.literal(file.spooled.header.schema_version),
        ingested_at=ibis.literal(now, "timestamp('UTC', 6)"),
        run_id=ibis.literal(run_id),
        dialect=ibis.literal(file.spooled.marks, "string"),
    ).select(*source.raw_spec().column_names)
