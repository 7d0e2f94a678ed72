"""Features on the region a client lives in: how others there repay, and whether the client moved.

They look at stored snapshots of features.client_repayment as of the last day of the month before, so a client's own present never shows
in them, and a correction reaches them when it reaches that snapshot. A region can stand in for origin: the features are a view of their
own, tagged so, and no model reads them unless its service names them.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
from ibis import _

from features.asof import KEY, stamped
from features.declare import AS_OF_ON, ROW_COLUMNS, Feature, Months, table_column
from warehouse import clock
from warehouse.curated.regions import client_versions, current_map, regions_at, regions_on
from warehouse.curated.staged import Staged
from warehouse.curated.values import lookup
from warehouse.table import MONEY, TableSpec
from warehouse.terms import UNKNOWN, Terms

PRIOR_INSTALLMENTS = 200  # so many installments of the portfolio's ratio are added to each region's, so that a small one says little
MONTHS_BACK = 3  # over which the change of portfolio at risk is taken


def region_late_pay_ratio(around: ir.Table) -> ir.FloatingColumn:
    """Share of late installments of other clients in the client's region at the end of the month before, shrunk towards the portfolio's."""
    portfolio = around.others_late / around.others_due.nullif(0)
    return (around.region_others_late + PRIOR_INSTALLMENTS * portfolio) / (around.region_others_due + PRIOR_INSTALLMENTS)


def region_par30_ratio(around: ir.Table) -> ir.FloatingColumn:
    """Share of the principal outstanding in the client's region, at the end of the month before, that was 30 or more days past due."""
    return around.region_par30_amount.cast("float64") / around.region_outstanding_amount.cast("float64").nullif(0)


def region_par30_ratio_change(around: ir.Table) -> ir.FloatingColumn:
    """Portfolio at risk of the client's region at the end of the month before, less that of three months earlier."""
    before = around.earlier_par30_amount.cast("float64") / around.earlier_outstanding_amount.cast("float64").nullif(0)
    return region_par30_ratio(around) - before


def moved_region_count(around: ir.Table) -> ir.IntegerColumn:
    """Number of moves of the client to another region; a region replaced by its successor is no move."""
    return around.moves


REGION_LATE_PAY_RATIO_12M = Feature(
    name="region_late_pay_ratio_12m", expr=region_late_pay_ratio, ledger="region", window=Months(12),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=+1, null_means="no installment of any other client had fallen due",
    code="AREA", reason="Borrowers in your area pay late more often than elsewhere.",
)  # fmt: skip
REGION_PAR30_RATIO = Feature(
    name="region_par30_ratio", expr=region_par30_ratio, ledger="region", window=None,
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=+1, null_means="nothing was outstanding in the region a month end before",
    code="AREA", reason="A large part of the loans in your area is past due.",
)  # fmt: skip
REGION_PAR30_RATIO_CHANGE_3M = Feature(
    name="region_par30_ratio_change_3m", expr=region_par30_ratio_change, ledger="region", window=Months(3),
    dtype="float64", unit="ratio", bounds=(-1, 1), monotone=+1, null_means="nothing was outstanding in the region at one of the month ends",
    code="AREA", reason="More loans in your area are past due than three months ago.",
)  # fmt: skip
MOVED_REGION_COUNT_12M = Feature(
    name="moved_region_count_12m", expr=moved_region_count, ledger="region", window=Months(12),
    dtype="int64", unit="count", bounds=(0, None), monotone=+1, null_means=None,
    code="MOVES", reason="You moved in the last 12 months.",
)  # fmt: skip

CLIENT_REGION: tuple[Feature, ...] = (
    REGION_LATE_PAY_RATIO_12M,
    REGION_PAR30_RATIO,
    REGION_PAR30_RATIO_CHANGE_3M,
    MOVED_REGION_COUNT_12M,
)

CLIENT_REGION_SPEC = TableSpec(
    name="features.client_region",
    description="How loans perform where each client with a disbursed contract lives, as of a date and by what was known on it.",
    grain=("client_id", "event_timestamp"),
    columns=(
        *ROW_COLUMNS,
        AS_OF_ON,
        *(table_column(feature) for feature in CLIENT_REGION),
    ),
    partition_by="as_of_on",
)


def client_region(snapshots: ir.Table, staged: Staged, days: Sequence[date], terms: Terms) -> ir.Table:
    """features.client_region for the asked as-of dates.

    Grain: one row per (client_id, event_timestamp), of the clients that have a row in features.client_repayment.

    Args:
        snapshots: features.client_repayment with the asked dates and the month ends before them; a month end that it does not hold
            counts as a time without loans.
        staged: the staging tables.
        days: as-of dates, at least one.
        terms: the lender's definitions.

    Returns:
        the columns of CLIENT_REGION_SPEC.
    """
    around = surroundings(snapshots, staged, days, terms)
    values = around.select(*KEY, **{feature.name: feature.expr(around).cast(feature.dtype) for feature in CLIENT_REGION})
    return stamped(values, terms.time_zone).select(*CLIENT_REGION_SPEC.column_names)


def month_ends_before(day: date) -> tuple[date, date]:
    """The month ends that the features of a date look at: the last one before its month, and the one MONTHS_BACK earlier."""
    last = day.replace(day=1) - timedelta(days=1)
    return last, clock.month_end(clock.add_months(last, -MONTHS_BACK))


def surroundings(snapshots: ir.Table, staged: Staged, days: Sequence[date], terms: Terms) -> ir.Table:
    """Sums over the region of each client and over the portfolio, with and without the client's own part.

    Grain: one row per (as_of_on, client_id).
    """
    ends = {day: month_ends_before(day) for day in days}
    asked = ibis.memtable(
        [{"as_of_on": day, "month_on": last, "earlier_on": earlier} for day, (last, earlier) in ends.items()],
        schema={"as_of_on": "date", "month_on": "date", "earlier_on": "date"},
    )
    looked_at = clock.as_of_dates({*days, *(end for pair in ends.values() for end in pair)}, terms.time_zone)
    homes = regions_at(staged, looked_at, terms)
    # A client whose row came later than its contract lives in Unknown until then, as in every table.
    own = _home(_amounts(snapshots).semi_join(looked_at, "as_of_on"), homes)
    regions = own.group_by("as_of_on", "region_id").agg(**_sums("region_"))
    portfolio = own.group_by("as_of_on").agg(all_late=_.late.sum(), all_due=_.due.sum())
    earlier = regions.select(
        "region_id",
        earlier_on="as_of_on",
        earlier_par30_amount="region_par30_amount",
        earlier_outstanding_amount="region_outstanding_amount",
    )
    rows = _home(snapshots.select(KEY).join(asked, "as_of_on").select(*KEY, "month_on", "earlier_on"), homes)
    rows = lookup(rows, own.rename(month_on="as_of_on", own_region_id="region_id"), ("month_on", "client_id"))
    rows = lookup(rows, regions.rename(month_on="as_of_on"), ("month_on", "region_id"))
    rows = lookup(rows, portfolio.rename(month_on="as_of_on"), ("month_on",))
    rows = lookup(rows, earlier, ("earlier_on", "region_id"))
    rows = lookup(rows, _moves(staged, clock.as_of_dates(days, terms.time_zone), terms), KEY)
    is_own = _.own_region_id == _.region_id
    return rows.mutate(
        moves=_.moves.fill_null(0),
        others_late=_.all_late - _.late.fill_null(0),
        others_due=_.all_due - _.due.fill_null(0),
        region_others_late=_.region_late.fill_null(0) - ibis.ifelse(is_own, _.late, 0).fill_null(0),
        region_others_due=_.region_due.fill_null(0) - ibis.ifelse(is_own, _.due, 0).fill_null(0),
    )


def _home(rows: ir.Table, homes: ir.Table) -> ir.Table:
    """Rows of clients with the region in which each lives, Unknown while nothing is known of the client."""
    return lookup(rows, homes, KEY).mutate(region_id=_.region_id.fill_null(UNKNOWN))


def _amounts(snapshots: ir.Table) -> ir.Table:
    """What is added up over clients; money as decimals again, whose sum does not depend on the order of rows."""
    return snapshots.select(
        *KEY,
        late="late_count_12m",
        due="installments_due_count_12m",
        par30_amount=_.par30_amount.cast(MONEY),
        outstanding_amount=_.outstanding_principal_amount.cast(MONEY),
    )


def _sums(prefix: str) -> dict[str, ibis.Deferred]:
    return {f"{prefix}{name}": _[name].sum() for name in ("late", "due", "par30_amount", "outstanding_amount")}


def _moves(staged: Staged, as_ofs: ir.Table, terms: Terms) -> ir.Table:
    """Days on which a client lived elsewhere than the day before, as known at each date.

    A region and the one that took it over are one place, and a region that nobody named says nothing about where a client was.

    Grain: one row per (as_of_on, client_id) with a move in the window.
    """
    versions = client_versions(staged.clients, terms.time_zone)
    several = versions.group_by("client_id").agg(count=_.count()).filter(_["count"] > 1)
    known = as_ofs.join(versions.semi_join(several, "client_id"), versions.known_at <= as_ofs.known_until)
    in_window = (_.valid_from > clock.window_start_on(_.as_of_on, 12)) & (_.valid_from <= _.as_of_on)
    changed = known.filter(in_window).select(*KEY, moved_on="valid_from").distinct()
    days = changed.mutate(before_on=(_.moved_on - ibis.interval(days=1)).cast("date"))
    places = current_map(staged, as_ofs)
    after = _place(regions_on(days, "moved_on", staged, as_ofs, terms), places, "after_id")
    before = _place(regions_on(days, "before_on", staged, as_ofs, terms), places, "before_id")
    steps = lookup(lookup(days, after, (*KEY, "moved_on")), before, (*KEY, "before_on"))
    return steps.filter(_.after_id != _.before_id).group_by(KEY).agg(moves=_.count())


def _place(homes: ir.Table, places: ir.Table, name: str) -> ir.Table:
    """The region that the client's region is part of as known at the date; null where the region is Unknown."""
    return lookup(homes, places, ("as_of_on", "region_id")).rename({name: "region_current_map_id"}).drop("region_id")
