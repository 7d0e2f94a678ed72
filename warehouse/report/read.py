"""The report's data: marts of one release, added up to the grain that the pages need.

Only sums are read, never ratios, so that a page can add cells up again under any filter and divide once. A release that was built before
a mart or a column existed gives datasets without it; the pages say so instead of showing zeros.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import reduce
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from warehouse import clock
from warehouse.curated.values import nullable
from warehouse.marts.moves import BUCKETS
from warehouse.report.health import health
from warehouse.report.measures import RATES, TILES, columns_of
from warehouse.report.regions import Regions, regions
from warehouse.report.restated import RESTATEMENT, causes, reported
from warehouse.staging.ledger import DELIVERY_LEDGER
from warehouse.table import MONEY

MONTHS_SHOWN = 25  # two years and the open month
TOP_CLIENTS = 20  # of every top region and product type, so that any choice of these has its own first twenty
NOT_DISBURSED = ("New", "Cancel")
BUCKET_AMOUNTS = tuple(f"bucket_{bucket}_amount" for bucket in BUCKETS)
RISK = "marts.client_default_risk"
FAMILIES = {  # attribution: portfolio, distribution
    "as_of": ("marts.portfolio_by_region_month", "marts.loan_distribution_by_region"),
    "origination": ("marts.portfolio_by_origination_region_month", "marts.loan_distribution_by_origination_region_month"),
    "current": ("marts.portfolio_by_current_region_month", "marts.loan_distribution_by_current_region_month"),
}
CUTS = {"status": FAMILIES["as_of"][1], "vintage": "marts.vintage_by_region", "roll": "marts.roll_rate_by_region"}
CELL = ("attribution", "month_on", "region_id", "product_type_id")
DISBURSED = ("disbursed_count", "disbursed_amount")
OTHERS = ("par60_amount", "par90_amount", "overdue_amount", "early_paid_count", "refinanced_count", "sold_count", "sold_principal_amount")
PORTFOLIO = tuple(
    name
    for name in dict.fromkeys(
        (*columns_of(tuple(one for pair in TILES for one in pair)), *columns_of(RATES), *BUCKET_AMOUNTS, *OTHERS, "client_count")
    )
    if name not in DISBURSED
)


class Source(NamedTuple):
    """Tables of a release: by name, and their names."""

    table: Callable[[str], ir.Table]
    names: Collection[str]


class Data(NamedTuple):
    """What the pages show of a release.

    Attributes:
        datasets: name to rows; a dataset that the release cannot give is missing.
        regions: labels of the regions in them.
        products: product_type_id to its name.
        months: last day of each month to whether it is complete, oldest first.
    """

    datasets: dict[str, pa.Table]
    regions: Regions
    products: dict[str, str]
    months: dict[date, bool]


def read(source: Source) -> Data:
    """Read what the report shows of a release."""
    months = _months(source)
    since = min(months, default=date.max)
    known = regions(_dim_regions(source), _used_regions(source))
    tops, lowest = _mapping(known.tops), _mapping(known.lowest)
    parts: dict[str, ir.Table] = {}
    if FAMILIES["as_of"][0] in source.names:
        parts["portfolio"] = _portfolio(source, lowest, since)
    for name, cut in (("status", _status), ("vintage", _vintage), ("roll", _roll)):
        if CUTS[name] in source.names:
            parts[name] = cut(source.table(CUTS[name]), tops, since)
    if RISK in source.names:
        parts |= _risk(source.table(RISK), tops, lowest)
    if RESTATEMENT in source.names:
        parts |= _restated(source, tops, since)
    datasets = {name: part.order_by(*part.columns).to_pyarrow() for name, part in parts.items()}
    return Data(datasets | health(source.table, source.names), known, _products(source), months)


def _months(source: Source) -> dict[date, bool]:
    if FAMILIES["as_of"][0] not in source.names:
        return {}
    rows = source.table(FAMILIES["as_of"][0]).select("month_on", "is_complete_month").distinct().to_pyarrow().to_pylist()
    found = {row["month_on"]: row["is_complete_month"] for row in rows}
    return {day: found[day] for day in sorted(found)[-MONTHS_SHOWN:]}


def _dim_regions(source: Source) -> list[dict]:
    return source.table("curated.dim_region").to_pyarrow().to_pylist() if "curated.dim_region" in source.names else []


def _used_regions(source: Source) -> Iterator[str]:
    """Ids of the regions that any mart of the report names."""
    held = {*(name for pair in FAMILIES.values() for name in pair), *CUTS.values(), RISK, RESTATEMENT} & set(source.names)
    for name in sorted(held):
        yield from source.table(name).select("region_id").distinct().to_pyarrow()["region_id"].to_pylist()


def _products(source: Source) -> dict[str, str]:
    if "curated.dim_product" not in source.names:
        return {}
    types = source.table("curated.dim_product").group_by("product_type_id").agg(name=_.product_type_name.max()).order_by("product_type_id")
    rows = types.to_pyarrow().to_pylist()
    return {row["product_type_id"]: row["name"] or row["product_type_id"] for row in rows}


def _portfolio(source: Source, lowest: ir.Table, since: date) -> ir.Table:
    """Grain: one row per (attribution, month_on, region_id, product_type_id)."""
    parts = []
    for attribution, (portfolio, distribution) in FAMILIES.items():
        if portfolio in source.names:
            parts.append(_performance(source.table(portfolio), attribution))
        if distribution in source.names:
            parts.append(_disbursed(source.table(distribution), attribution))
    names = tuple(dict.fromkeys(name for part in parts for name in part.columns if name not in CELL))
    rows = reduce(ibis.union, [_widened(part, names) for part in parts])
    recent = _placed(rows.filter(rows.month_on >= since), lowest)
    return recent.group_by(*CELL).agg(**{name: recent[name].sum() for name in names})


def _performance(portfolio: ir.Table, attribution: str) -> ir.Table:
    held = [name for name in PORTFOLIO if name in portfolio.columns]
    return portfolio.mutate(attribution=ibis.literal(attribution)).select(*CELL, *held)


def _disbursed(distribution: ir.Table, attribution: str) -> ir.Table:
    """Contracts that started in the month and are neither cancelled nor still to be paid out."""
    started = distribution.mutate(attribution=ibis.literal(attribution)).filter(_.status.notin(NOT_DISBURSED))
    return started.group_by(*CELL).agg(disbursed_count=_.new_contract_count.sum(), disbursed_amount=_.new_principal_amount.sum())


def _widened(part: ir.Table, names: Sequence[str]) -> ir.Table:
    """The part with every column of all parts, 0 where it has none."""
    values = {name: part[name] if name in part.columns else ibis.literal(0) for name in names}
    typed = {name: value.cast(MONEY if name.endswith("_amount") else "int64") for name, value in values.items()}
    return nullable(part.select(*CELL, **typed))


def _status(distribution: ir.Table, tops: ir.Table, since: date) -> ir.Table:
    """Grain: one row per (month_on, top region, product_type_id, status)."""
    rows = _placed(distribution.filter(distribution.month_on >= since), tops)
    return rows.group_by("month_on", "region_id", "product_type_id", "status").agg(
        contract_count=_.contract_count.sum(), principal_amount=_.principal_amount.sum()
    )


def _vintage(vintage: ir.Table, tops: ir.Table, since: date) -> ir.Table:
    """Mature cells, with the quarter of the vintage and whether all its months are mature at that mob.

    Grain: one row per (vintage_month, mob, top region, product_type_id).
    """
    mature = vintage.filter(vintage.is_mature, vintage.vintage_month >= since.replace(day=1))
    quarter = mature.vintage_month.year().cast("string") + " Q" + mature.vintage_month.quarter().cast("string")
    last = mature.mutate(vintage_quarter=quarter, last_mob=mature.mob.max().over(group_by=mature.vintage_month))
    marked = last.mutate(is_quarter_mature=last.mob <= last.last_mob.min().over(group_by=last.vintage_quarter))
    rows = _placed(marked, tops)
    return rows.group_by("vintage_month", "vintage_quarter", "is_quarter_mature", "mob", "region_id", "product_type_id").agg(
        contract_count=_.contract_count.sum(),
        principal_amount=_.principal_amount.sum(),
        ever30_count=_.ever30_count.sum(),
        ever90_count=_.ever90_count.sum(),
        defaulted_principal_amount=_.defaulted_principal_amount.sum(),
    )


def _roll(roll: ir.Table, tops: ir.Table, since: date) -> ir.Table:
    """Moves under the month in which they happened, which is the one after the mart's: a page of June shows the way from May to June.

    Grain: one row per (month_on, top region, product_type_id, from_bucket, to_bucket).
    """
    moved = roll.mutate(month_on=clock.month_end_on(clock.add_months_on(roll.month_on, 1)))
    rows = _placed(moved.filter(moved.month_on >= since), tops)
    return rows.group_by("month_on", "region_id", "product_type_id", "from_bucket", "to_bucket").agg(
        contract_count=_.contract_count.sum(), outstanding_principal_amount=_.outstanding_principal_amount.sum()
    )


def _restated(source: Source, tops: ir.Table, since: date) -> dict[str, ir.Table]:
    """Changes since the first report by delivery, and what was reported, under the region at the top."""
    restatement = _placed(source.table(RESTATEMENT).filter(_.month_on >= since), tops)
    portfolio = _placed(source.table(FAMILIES["as_of"][0]).filter(_.month_on >= since), tops)
    ledger = source.table(DELIVERY_LEDGER.name) if DELIVERY_LEDGER.name in source.names else None
    return {"restatement": causes(restatement, ledger), "reported": reported(portfolio, restatement)}


def _mapping(ids: Mapping[str, str]) -> ir.Table:
    """Grain: one row per region_id, with the region under which its rows are added."""
    schema = pa.schema([("region_id", "string"), ("placed_id", "string")])
    return ibis.memtable(pa.table({"region_id": [*ids], "placed_id": [*ids.values()]}, schema))


def _placed(rows: ir.Table, mapping: ir.Table) -> ir.Table:
    """Rows under another region: the top one where two dimensions more multiply the cells, to keep pages small."""
    joined = rows.left_join(mapping, "region_id")
    return joined.mutate(region_id=ibis.coalesce(joined.placed_id, joined.region_id)).select(*rows.columns)


def _risk(risk: ir.Table, tops: ir.Table, lowest: ir.Table) -> dict[str, ir.Table]:
    """The last scores of clients who owe something: by cell and grade, and the likeliest defaults of every top region and type."""
    last = risk.filter(risk.business_date == risk.business_date.max(), risk.outstanding_principal_amount > 0)
    owed = last.outstanding_principal_amount.cast("float64")
    cells = _placed(last, lowest).mutate(expected=last.probability.fill_null(0) * owed, grade=last.grade.fill_null("none"))
    grades = cells.group_by("business_date", "model_name", "model_version", "region_id", "product_type_id", "grade").agg(
        client_count=_.count(),
        expected_default_count=_.probability.sum().fill_null(0).round(6),
        expected_default_amount=_.expected.sum().round(2),
        outstanding_principal_amount=_.outstanding_principal_amount.sum(),
        overdue_amount=_.overdue_amount.sum(),
    )
    scored = last.filter(last.probability.notnull()).left_join(tops, "region_id")
    order = [scored.probability.desc(), scored.client_id]
    place = ibis.row_number().over(group_by=[scored.placed_id, scored.product_type_id], order_by=order)
    shown = ("client_id", "region_id", "product_type_id", "probability", "grade", "score")
    likeliest = scored.mutate(place=place).filter(_.place < TOP_CLIENTS)
    return {"risk": grades, "likeliest": likeliest.select(*shown, "outstanding_principal_amount", "overdue_amount", "reason_codes")}
