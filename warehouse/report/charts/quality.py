"""Charts of the quality of the book: how cohorts turn bad with age, and how contracts move between buckets of days past due."""

import altair as alt

from warehouse.marts.moves import BUCKETS, ENDS
from warehouse.report.charts.frame import (
    PERCENT,
    Figure,
    amount_text,
    by_measure,
    category,
    chosen_rule,
    data,
    filtered,
    heat_text,
    month_tip,
    month_x,
    named,
    signals,
)

BAD = "vintage == 'ever30' ? datum.ever30_count : vintage == 'ever90' ? datum.ever90_count : datum.defaulted_principal_amount"
ALL = "vintage == 'defaulted' ? datum.principal_amount : datum.contract_count"
BAD_TEXT = "vintage == 'defaulted' ? 'principal' : 'contracts'"
TO_BUCKETS = (*BUCKETS, *ENDS)
TITLES = {
    "0": "0 days",
    "1_29": "1-29",
    "30_59": "30-59",
    "60_89": "60-89",
    "90_plus": "90 and more",
    "paid_off": "paid off",
    "written_off": "written off",
    "sold": "sold",
}
VINTAGE = ("vintage_month", "mob", "region_id", "product_type_id", "contract_count", "principal_amount")
BADS = ("ever30_count", "ever90_count", "defaulted_principal_amount")
ROLL = ("month_on", "region_id", "product_type_id", "from_bucket", "to_bucket", "contract_count", "outstanding_principal_amount")
RELEASE_VALUED = "cohorts are valued at the release, at the region of origination"


def vintage_curves(currency: str) -> alt.Chart:
    """Share of each quarter's contracts that ever turned bad, by months on book."""
    chart = filtered(alt.Chart(data("vintage")), "product", "within").transform_filter("datum.is_quarter_mature")
    chart = (
        chart.transform_calculate(bad=BAD, all=ALL)
        .transform_aggregate(bad="sum(bad)", all="sum(all)", contracts="sum(contract_count)", groupby=["vintage_quarter", "mob"])
        .transform_filter("datum.all > 0")
        .transform_calculate(ratio="datum.bad / datum.all")
        .mark_line(point=alt.OverlayMarkDef(size=16), strokeWidth=2)
        .encode(
            x=alt.X("mob:Q", axis=alt.Axis(title="months on book", tickMinStep=1, grid=False)),
            y=alt.Y("ratio:Q", axis=alt.Axis(format=".0%", title=None)),
            color=alt.Color("vintage_quarter:O", legend=category(None, columns=5), scale=alt.Scale(range="ramp")),
            tooltip=[
                alt.Tooltip("vintage_quarter:N", title="Disbursed in"),
                alt.Tooltip("mob:Q", title="Months on book"),
                alt.Tooltip("ratio:Q", title="Share", format=PERCENT),
                alt.Tooltip("contracts:Q", title="Contracts", format=","),
            ],
        )
    )
    return signals(chart, "vintage").properties(height=300)


def vintage_triangle(currency: str) -> alt.LayerChart:
    """The same by month of disbursement, as a triangle."""
    y = alt.Y("vintage_text:N", sort=alt.EncodingSortField("vintage_month", op="min"), title=None)
    x = alt.X("mob:O", axis=alt.Axis(title="months on book", labelAngle=0, orient="top"))
    cell = alt.Chart().mark_rect().encode(
        x=x,
        y=y,
        color=alt.Color("ratio:Q", legend=None),
        tooltip=[
            alt.Tooltip("vintage_text:N", title="Disbursed in"),
            alt.Tooltip("mob:O", title="Months on book"),
            alt.Tooltip("ratio:Q", title="Share", format=PERCENT),
            alt.Tooltip("contracts:Q", title="Contracts", format=","),
        ],
    )  # fmt: skip
    text = alt.Chart().mark_text(fontSize=9).encode(
        x=x, y=y, text=alt.Text("ratio:Q", format=".1%"), color=heat_text("datum.ratio / max(datum.greatest, 0.0001)")
    )  # fmt: skip
    chart = filtered(alt.layer(cell, text, data=data("vintage")), "product", "within")
    chart = (
        chart.transform_calculate(bad=BAD, all=ALL)
        .transform_aggregate(
            bad="sum(bad)", all="sum(all)", contracts="sum(contract_count)", groupby=["vintage_month", "vintage_text", "mob"]
        )
        .transform_filter("datum.all > 0")
        .transform_calculate(ratio="datum.bad / datum.all")
        .transform_joinaggregate(greatest="max(ratio)")
    )
    return signals(chart, "vintage", "dark").properties(height=alt.Step(19))


def roll_matrix(currency: str) -> alt.LayerChart:
    """Where contracts of each bucket are a month later, in percent of the bucket."""
    y = alt.Y("from:N", sort=[TITLES[name] for name in BUCKETS], title="days past due a month before", axis=alt.Axis(labelLimit=120))
    x = alt.X(
        "to:N",
        sort=[TITLES[name] for name in TO_BUCKETS],
        title="at the end of the chosen month",
        axis=alt.Axis(labelAngle=0, orient="top"),
    )
    cell = alt.Chart().mark_rect().encode(
        x=x,
        y=y,
        color=alt.Color("ratio:Q", legend=None, scale=alt.Scale(domain=[0, 1])),
        tooltip=[
            alt.Tooltip("from:N", title="From"),
            alt.Tooltip("to:N", title="To"),
            alt.Tooltip("ratio:Q", title="Share", format=PERCENT),
            alt.Tooltip("total_text:N", title="Moved"),
            alt.Tooltip("from_text:N", title="In the bucket"),
        ],
    )  # fmt: skip
    text = alt.Chart().mark_text(fontSize=12).encode(x=x, y=y, text=alt.Text("ratio:Q", format=".1%"), color=heat_text("datum.ratio"))
    chart = filtered(alt.layer(cell, text, data=data("roll")), "month", "product", "within")
    chart = (
        chart.transform_calculate(cell=by_measure("contract_count", "outstanding_principal_amount"))
        .transform_aggregate(total="sum(cell)", groupby=["from_bucket", "to_bucket"])
        .transform_joinaggregate(from_total="sum(total)", groupby=["from_bucket"])
        .transform_filter("datum.from_total > 0 && datum.total > 0")
        .transform_calculate(
            ratio="datum.total / datum.from_total",
            total_text=amount_text("total", currency, "contracts"),
            from_text=amount_text("from_total", currency, "contracts"),
            **{"from": named("datum.from_bucket", TITLES), "to": named("datum.to_bucket", TITLES)},
        )
    )
    return signals(chart, "measure", "dark").properties(height=alt.Step(44))


def roll_forward(currency: str) -> alt.LayerChart:
    """Share of each bucket that was in a worse one a month later, month by month."""
    paid_off, *lost = ENDS
    order = {name: place for place, name in enumerate((paid_off, *BUCKETS, *lost))}
    rank = {side: named(f"datum.{side}_bucket", order, 0) for side in ("from", "to")}
    line = alt.Chart().mark_line(point=alt.OverlayMarkDef(size=22), strokeWidth=2).encode(
        x=month_x(),
        y=alt.Y("ratio:Q", axis=alt.Axis(format=".0%", title=None)),
        color=alt.Color(
            "from:N",
            scale=alt.Scale(domain=[TITLES[name] for name in BUCKETS[:-1]]),
            legend=category("From days past due", titleOrient="left"),
        ),
        tooltip=[
            month_tip(),
            alt.Tooltip("from:N", title="From"),
            alt.Tooltip("ratio:Q", title="Share that got worse", format=PERCENT),
            alt.Tooltip("whole_text:N", title="In the bucket before"),
            alt.Tooltip("contracts:Q", title="Contracts in it", format=","),
        ],
    )  # fmt: skip
    chart = filtered(alt.layer(chosen_rule(), line, data=data("roll")), "product", "within")
    chart = (
        chart.transform_filter("datum.from_bucket != '90_plus'")
        .transform_calculate(cell=by_measure("contract_count", "outstanding_principal_amount"))
        .transform_calculate(worse=f"({rank['to']}) > ({rank['from']}) ? datum.cell : 0")
        .transform_aggregate(
            worse="sum(worse)", whole="sum(cell)", contracts="sum(contract_count)", groupby=["month_on", "month_text", "from_bucket"]
        )
        .transform_filter("datum.whole > 0")
        .transform_calculate(
            ratio="datum.worse / datum.whole",
            whole_text=amount_text("whole", currency, "contracts"),
            **{"from": named("datum.from_bucket", TITLES)},
        )
    )
    return signals(chart, "month", "measure").properties(height=300)


QUALITY = (
    Figure(
        "vintage_curves",
        "{vintage} by age of the cohort",
        "One line a quarter of disbursement, over months on book; only months that all contracts of the quarter have reached. "
        "A newer line above an older one at the same age is a cohort that turns bad sooner.",
        vintage_curves,
        {"vintage": (*VINTAGE, "vintage_quarter", "is_quarter_mature", *BADS)},
        ("ratio", "Share"),
        why={"month": RELEASE_VALUED},
    ),
    Figure(
        "roll_forward",
        "Share of each bucket that got worse in the month",
        "By {unit:contracts|outstanding principal}; written off and sold count as worse.",
        roll_forward,
        {"roll": ROLL},
        ("ratio", "Share that got worse"),
    ),
    Figure(
        "roll_matrix",
        "Roll rates of the chosen month",
        "Each row is 100 % of a bucket at the end of the month before; the columns say where it was at the end of the chosen month. "
        "By {unit:contracts|outstanding principal}.",
        roll_matrix,
        {"roll": ROLL},
        ("ratio", "Share"),
        wide=True,
    ),
    Figure(
        "vintage_triangle",
        "{vintage} by month of disbursement",
        "Rows are months of disbursement, columns months on book; an empty cell has not been reached.",
        vintage_triangle,
        {"vintage": (*VINTAGE, *BADS)},
        ("ratio", "Share"),
        wide=True,
        why={"month": RELEASE_VALUED},
    ),
)
