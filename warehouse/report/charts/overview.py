"""Charts of the first page: how much there is, how much of it is at risk, and in which state it is."""

import altair as alt

from warehouse.report.charts.frame import (
    AMOUNT_AXIS,
    PERCENT,
    Figure,
    amount_text,
    by_measure,
    category,
    chosen_outline,
    chosen_rule,
    data,
    money_text,
    month_bars,
    month_tip,
    month_x,
    monthly,
    named,
    signals,
)
from warehouse.report.read import BUCKET_AMOUNTS

RISKS = {"par30_amount": "PAR30", "par60_amount": "PAR60", "par90_amount": "PAR90", "npl_amount": "NPL"}
BUCKET_NAMES = ("0 days", "1-29", "30-59", "60-89", "90 and more")
CELL = ["month_on", "product_type_id", "attribution"]


def at_risk(currency: str) -> alt.LayerChart:
    """PAR and NPL of each month, as lines, with a rule at the chosen month."""
    x = month_x()
    line = alt.Chart().mark_line(point=alt.OverlayMarkDef(size=28), strokeWidth=2).encode(
        x=x,
        y=alt.Y("ratio:Q", axis=alt.Axis(format=".0%", title=None)),
        color=alt.Color("risk:N", scale=alt.Scale(domain=[*RISKS.values()]), legend=category()),
        tooltip=[
            month_tip(),
            alt.Tooltip("risk:N", title="Measure"),
            alt.Tooltip("ratio:Q", title="Share", format=PERCENT),
            alt.Tooltip("amount_text:N", title="Amount"),
        ],
    )  # fmt: skip
    chart = monthly(alt.layer(chosen_rule(), line, data=data("portfolio")))
    chart = (
        chart.transform_aggregate(
            **{name: f"sum({name})" for name in RISKS}, whole="sum(outstanding_principal_amount)", groupby=["month_on", "month_text"]
        )
        .transform_fold([*RISKS], as_=["column", "amount"])
        .transform_calculate(
            risk=named("datum.column", RISKS),
            ratio="datum.whole > 0 ? datum.amount / datum.whole : null",
            amount_text=money_text("amount", currency),
        )
        .transform_filter("isValid(datum.ratio)")
    )
    return signals(chart, "month").properties(height=260)


def delinquency(currency: str) -> alt.Chart:
    """Outstanding principal by days past due, each month 100 %."""
    chart = monthly(alt.Chart(data("portfolio")))
    chart = (
        chart.transform_aggregate(**{name: f"sum({name})" for name in BUCKET_AMOUNTS}, groupby=["month_on", "month_text"])
        .transform_fold([*BUCKET_AMOUNTS], as_=["column", "amount"])
        .transform_joinaggregate(whole="sum(amount)", groupby=["month_on"])
        .transform_filter("datum.whole > 0")
        .transform_calculate(
            bucket=named("datum.column", dict(zip(BUCKET_AMOUNTS, BUCKET_NAMES, strict=True))),
            place=f"indexof({[*BUCKET_AMOUNTS]}, datum.column)",
            ratio="datum.amount / datum.whole",
            amount_text=money_text("amount", currency),
        )
        .mark_bar(style="month")
        .encode(
            x=month_x(),
            y=alt.Y("ratio:Q", stack="zero", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", title=None)),
            color=alt.Color(
                "bucket:O",
                sort=[*BUCKET_NAMES],
                scale=alt.Scale(domain=[*BUCKET_NAMES]),
                legend=category("Days past due", titleOrient="left"),
            ),
            order=alt.Order("place:Q", sort="descending"),
            strokeWidth=chosen_outline(),
            tooltip=[
                month_tip(),
                alt.Tooltip("bucket:N", title="Days past due"),
                alt.Tooltip("ratio:Q", title="Share", format=PERCENT),
                alt.Tooltip("amount_text:N", title="Amount"),
            ],
        )
    )
    return signals(chart, "month").properties(height=260)


def _by_product(count: str, amount: str, noun: str, currency: str) -> alt.Chart:
    chart = (
        monthly(alt.Chart(data("portfolio")))
        .transform_calculate(cell=by_measure(count, amount))
        .transform_aggregate(total="sum(cell)", groupby=["month_on", "month_text", "product_name"])
        .transform_calculate(total_text=amount_text("total", currency, noun))
    )
    color = alt.Color("product_name:N", legend=category())
    chart = month_bars(chart, color, AMOUNT_AXIS, {"product_name": "Product", "total_text": "Total"})
    return signals(chart, "month", "measure").properties(height=240)


def book(currency: str) -> alt.Chart:
    """The book by product, month by month."""
    return _by_product("open_contract_count", "outstanding_principal_amount", "open contracts", currency)


def disbursed(currency: str) -> alt.Chart:
    """New business by product, month by month."""
    return _by_product("disbursed_count", "disbursed_amount", "contracts", currency)


OVERVIEW = (
    Figure(
        "at_risk",
        "Portfolio at risk and NPL",
        "Share of outstanding principal that is 30, 60 or 90 days past due, and share owed by clients in debt group 3 to 5.",
        at_risk,
        {"portfolio": (*CELL, "outstanding_principal_amount", *RISKS)},
        ("ratio", "Share"),
    ),
    Figure(
        "delinquency",
        "Outstanding principal by days past due",
        "Every month is 100 %; the further past due, the stronger the color (grey: nothing is past due).",
        delinquency,
        {"portfolio": (*CELL, *BUCKET_AMOUNTS)},
        ("ratio", "Share"),
    ),
    Figure(
        "book",
        "The book by product",
        "At each month end, in {unit:open contracts}.",
        book,
        {"portfolio": (*CELL, "open_contract_count", "outstanding_principal_amount")},
        ("total", "Total"),
    ),
    Figure(
        "disbursed",
        "New business by product",
        "Contracts that started in the month, in {unit:contracts}.",
        disbursed,
        {"portfolio": (*CELL, "disbursed_count", "disbursed_amount")},
        ("total", "Total"),
    ),
)
