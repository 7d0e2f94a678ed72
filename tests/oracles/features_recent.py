"""Where the client's lateness is going: windows against each other, and the newest due installments of twelve months one by one."""

from datetime import date
from fractions import Fraction
from typing import Any

from tests.oracles.features_contracts import latest_contract
from tests.oracles.features_lateness import Due, due
from tests.oracles.features_numbers import mean, share, slope
from tests.oracles.positions import Contract


def newest_first(contracts: list[Contract], as_of: date) -> Due:
    """Due installments of twelve months, the one that fell due last in front."""

    def place(found: tuple) -> tuple:
        contract, i = found
        return (i.due_date, contract.row["contract_number"], i.number, i.installment_id)

    return sorted(due(contracts, as_of, 12), key=place, reverse=True)


def trend(contracts: list[Contract], as_of: date) -> dict[str, Any]:
    """The features of this group, shares of two windows first, then the newest installments."""
    found = newest_first(contracts, as_of)
    days = [c.days_late(i) for c, i in found]
    lates = [c.is_late(i) for c, i in found]
    three, twelve = (late_share(due(contracts, as_of, months)) for months in (3, 12))
    smooth = Fraction(1, 100)
    return {
        "late_pay_ratio_change_12m": None if three is None else float(three - twelve),
        "late_pay_ratio_growth_12m": None if three is None else float((three + smooth) / (twelve + smooth)),
        "late_days_slope_6_12m": slope(days[:6][::-1]),
        "late_days_slope_12_12m": slope(days[:12][::-1]),
        "on_time_run_count_12m": lates.index(True) if True in lates else len(lates),
        "late_run_count_12m": lates.index(False) if False in lates else len(lates),
    }


def late_share(of_window: Due) -> Fraction | None:
    """Share of late installments, not yet rounded."""
    return Fraction(sum(c.is_late(i) for c, i in of_window), len(of_window)) if of_window else None


def recent(contracts: list[Contract], as_of: date) -> dict[str, Any]:
    """The features of this group."""
    days = [c.days_late(i) for c, i in newest_first(contracts, as_of)]
    latest = latest_contract(contracts)
    of_latest = [i for i in latest.installments if latest.is_due(i)]
    return {
        "last_late_days_12m": float(days[0]) if days else None,
        "last_3_mean_late_days_12m": mean(days[:3]),
        "last_5_max_late_days_12m": float(max(days[:5])) if days else None,
        "latest_contract_late_ratio": share(sum(latest.is_late(i) for i in of_latest), len(of_latest)),
    }
