"""Charts of collections: what fell due and what came in, how it was paid, penalties, early settlements and losses."""

from collections.abc import Mapping

import altair as alt

from warehouse.report.charts.frame import (
    AMOUNT_AXIS,
    MONEY_AXIS,
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
from warehouse.report.measures import COLLECTION, EARLY_PAID, LATE, SKIPPED, Measure, columns_of

CELL = ("month_on", "product_type_id", "attribution")
PAYING = (LATE, SKIPPED, EARLY_PAID)
ENDED = {"early_own": "settled with own money", "refinanced_count": "settled by refinance"}
LOST = {"written_off": "written off", "sold": "sold"}


def due_and_paid(currency: str) -> alt.LayerChart:
    """Due amount of each month as a wide bar, what was paid on it as a narrow one inside."""
    tooltip = [
        month_tip(),
        alt.Tooltip("due_text:N", title="Due"),
        alt.Tooltip("paid_text:N", title="Collected"),
        alt.Tooltip("ratio:Q", title="Collected of due", format=PERCENT),
    ]
    y = alt.Y("due:Q", axis=alt.Axis(labelExpr=MONEY_AXIS, title=None))
    due = alt.Chart().mark_bar(style="whole", width=alt.RelativeBandSize(band=0.9)).encode(x=month_x(), y=y, tooltip=tooltip)
    paid = alt.Chart().mark_bar(style=["part", "month"], width=alt.RelativeBandSize(band=0.5)).encode(
        x=month_x(), y=alt.Y("paid:Q"), strokeWidth=chosen_outline(), tooltip=tooltip
    )  # fmt: skip
    chart = (
        monthly(alt.layer(due, paid, data=data("portfolio")))
        .transform_aggregate(due="sum(due_amount)", paid="sum(paid_amount)", groupby=["month_on", "month_text"])
        .transform_filter("datum.due > 0")
        .transform_calculate(
            ratio="datum.paid / datum.due", due_text=money_text("due", currency), paid_text=money_text("paid", currency)
        )
    )  # fmt: skip
    return signals(chart, "month").properties(height=260)


def _lines(measures: tuple[Measure, ...]) -> alt.LayerChart:
    """A line a rate, with a rule at the chosen month."""
    names, legend = columns_of(measures), category() if len(measures) > 1 else None
    line = alt.Chart().mark_line(point=alt.OverlayMarkDef(size=28), strokeWidth=2).encode(
        x=month_x(),
        y=alt.Y("ratio:Q", axis=alt.Axis(format=".0%", title=None), scale=alt.Scale(zero=len(measures) > 1)),
        color=alt.Color("rate:N", scale=alt.Scale(domain=[one.title for one in measures]), legend=legend),
        tooltip=[month_tip(), alt.Tooltip("rate:N", title="Rate"), alt.Tooltip("ratio:Q", title="Share", format=PERCENT)],
    )  # fmt: skip
    chart = (
        monthly(alt.layer(chosen_rule(), line, data=data("portfolio")))
        .transform_aggregate(**{name: f"sum({name})" for name in names}, groupby=["month_on", "month_text"])
        .transform_calculate(**{one.name: f"datum.{one.bottom} > 0 ? datum.{one.top} / datum.{one.bottom} : null" for one in measures})
        .transform_fold([one.name for one in measures], as_=["name", "ratio"])
        .transform_filter("isValid(datum.ratio)")
        .transform_calculate(rate=named("datum.name", {one.name: one.title for one in measures}))
    )
    return signals(chart, "month").properties(height=260)


def collection_rate(currency: str) -> alt.LayerChart:
    """Collected of due, month by month."""
    return _lines((COLLECTION,))


def paying(currency: str) -> alt.LayerChart:
    """Late, skipped and early payments, month by month."""
    return _lines(PAYING)


def penalties(currency: str) -> alt.Chart:
    """Penalties by product, month by month."""
    chart = (
        monthly(alt.Chart(data("portfolio")))
        .transform_aggregate(total="sum(penalty_amount)", groupby=["month_on", "month_text", "product_name"])
        .transform_calculate(total_text=money_text("total", currency))
    )
    color = alt.Color("product_name:N", legend=category())
    chart = month_bars(chart, color, MONEY_AXIS, {"product_name": "Product", "total_text": "Penalties"})
    return signals(chart, "month").properties(height=240)


def _stacked(kinds: Mapping[str, str], columns: Mapping[str, str], currency: str, noun: str, is_money: bool) -> alt.Chart:
    """Bars of several kinds, stacked; columns give the expression of each kind."""
    chart = (
        monthly(alt.Chart(data("portfolio")))
        .transform_calculate(**{f"kind_{name}": text for name, text in columns.items()})
        .transform_fold([f"kind_{name}" for name in columns], as_=["name", "value"])
        .transform_calculate(kind=named("datum.name", {f"kind_{name}": title for name, title in kinds.items()}))
        .transform_aggregate(total="sum(value)", groupby=["month_on", "month_text", "kind"])
        .transform_calculate(total_text=amount_text("total", currency, noun) if is_money else f"format(datum.total, ',') + ' {noun}'")
    )
    color = alt.Color("kind:N", scale=alt.Scale(domain=[*kinds.values()]), legend=category())
    axis = AMOUNT_AXIS if is_money else "format(datum.value, ',')"
    chart = month_bars(chart, color, axis, {"kind": "How", "total_text": "Total"}, tickMinStep=1)
    return signals(chart, "month", "measure") if is_money else signals(chart, "month")


def early_settled(currency: str) -> alt.Chart:
    """Contracts settled early, with own money and by another contract."""
    columns = {"early_own": "datum.early_settled_count - datum.refinanced_count", "refinanced_count": "datum.refinanced_count"}
    return _stacked(ENDED, columns, currency, "contracts", is_money=False).properties(height=240)


def losses(currency: str) -> alt.Chart:
    """Contracts written off and sold."""
    columns = {
        "written_off": by_measure("written_off_count", "written_off_principal_amount"),
        "sold": by_measure("sold_count", "sold_principal_amount"),
    }
    return _stacked(LOST, columns, currency, "contracts", is_money=True).properties(height=240)


COLLECTING = (
    Figure(
        "due_and_paid",
        "Due and collected",
        "Wide: what fell due in the month. Narrow: what was paid on it by the release, penalties apart. In million {currency}.",
        due_and_paid,
        {"portfolio": (*CELL, "due_amount", "paid_amount")},
        ("ratio", "Collected of due"),
    ),
    Figure(
        "collection_rate",
        "Collected of due",
        "The last months rise as late payments come in. The axis does not begin at zero.",
        collection_rate,
        {"portfolio": (*CELL, *columns_of((COLLECTION,)))},
        ("ratio", "Share"),
    ),
    Figure(
        "paying",
        "How installments were paid",
        "Late and early: of installments due in the month. Skipped: of those whose next due date has come.",
        paying,
        {"portfolio": (*CELL, *columns_of(PAYING))},
        ("ratio", "Share"),
    ),
    Figure(
        "penalties",
        "Penalties charged",
        "By the month in which they are dated, in million {currency}.",
        penalties,
        {"portfolio": (*CELL, "penalty_amount")},
        ("total", "Penalties"),
    ),
    Figure(
        "early_settled",
        "Contracts settled early",
        "Settled more than 15 days before the last due date; a refinance is another contract of the client within 7 days.",
        early_settled,
        {"portfolio": (*CELL, "early_settled_count", "refinanced_count")},
        ("total", "Total"),
    ),
    Figure(
        "losses",
        "Losses",
        "Principal owed at the write-off or sale, in {unit:contracts}; later recoveries are not deducted.",
        losses,
        {"portfolio": (*CELL, "written_off_count", "written_off_principal_amount", "sold_count", "sold_principal_amount")},
        ("total", "Total"),
    ),
)
