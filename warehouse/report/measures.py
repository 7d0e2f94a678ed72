"""What the report's tiles and rates are: numerator and denominator columns, unit, and the direction that is good.

A rate is never stored or averaged: pages add numerators and denominators over whatever is chosen and divide once, at the end.
"""

from dataclasses import asdict, dataclass
from typing import Any

MONEY, COUNT, RATIO = "money", "count", "ratio"


@dataclass(frozen=True)
class Measure:
    """A figure that can be added up over regions, product types and clients, or a share of two such figures.

    Attributes:
        name: of the measure in pages and addresses.
        title: for people.
        top: column that is added.
        bottom: column that top is divided by after adding; empty if the figure is a sum.
        unit: money, count or ratio.
        better: +1 if more is better, -1 if less is, 0 if neither.
        is_counted: top and bottom count cases, so that an interval can be given.
        text: one sentence, the definition.
        dataset: of the page, whose rows are added.
    """

    name: str
    title: str
    top: str
    bottom: str = ""
    unit: str = RATIO
    better: int = 0
    is_counted: bool = False
    text: str = ""
    dataset: str = "portfolio"

    def as_json(self) -> dict[str, Any]:
        """The measure as pages read it."""
        return asdict(self)


OUTSTANDING = Measure(
    "outstanding", "Outstanding principal", "outstanding_principal_amount", unit=MONEY, text="Principal still owed on open contracts."
)
OPEN = Measure("open", "Open contracts", "open_contract_count", unit=COUNT, text="Contracts with status Active at the end of the month.")
DISBURSED = Measure(
    "disbursed", "Disbursed in the month", "disbursed_amount", unit=MONEY, better=1, text="Principal of contracts that started in it."
)
DISBURSED_COUNT = Measure(
    "disbursed", "Disbursed in the month", "disbursed_count", unit=COUNT, better=1, text="Contracts that started in the month."
)
PAR30 = Measure(
    "par30",
    "PAR30",
    "par30_amount",
    "outstanding_principal_amount",
    better=-1,
    text="Outstanding principal of contracts 30 or more days past due / outstanding principal.",
)
NPL = Measure(
    "npl",
    "NPL",
    "npl_amount",
    "outstanding_principal_amount",
    better=-1,
    text="Outstanding principal of clients in debt group 3 to 5 / outstanding principal.",
)
LATE = Measure(
    "late",
    "Late installments",
    "late_count",
    "installments_due_count",
    better=-1,
    is_counted=True,
    text="Installments due in the month that were paid late or are late and unpaid / installments due.",
)
SKIPPED = Measure(
    "skipped",
    "Skipped installments",
    "skipped_count",
    "skip_eligible_count",
    better=-1,
    is_counted=True,
    text="Installments with less than a tenth paid by the next due date / those whose next due date has come.",
)
EARLY_PAID = Measure(
    "early_paid",
    "Installments paid early",
    "early_paid_count",
    "installments_due_count",
    better=1,
    is_counted=True,
    text="Installments due in the month that were settled before their due date / installments due.",
)
COLLECTION = Measure(
    "collection",
    "Collection rate",
    "paid_amount",
    "due_amount",
    text="Paid by the release on installments due in the month / amount due, penalties apart; it rises while late payments come in.",
)
EARLY_SETTLED = Measure(
    "early_settled",
    "Early settlement",
    "early_settled_count",
    "open_or_started_count",
    is_counted=True,
    text="Contracts settled before their last due date in the month / contracts open before it or started in it.",
)
WRITTEN_OFF = Measure(
    "written_off", "Written off", "written_off_principal_amount", unit=MONEY, better=-1, text="Principal owed on the day of the write-off."
)
WRITTEN_OFF_COUNT = Measure(
    "written_off", "Written off", "written_off_count", unit=COUNT, better=-1, text="Contracts that a write-off in the month ended."
)
PENALTIES = Measure("penalties", "Penalties charged", "penalty_amount", unit=MONEY, text="Penalties dated in the month.")

# Of each tile the measure by amount and the one by count; most have only one.
TILES = (
    (OUTSTANDING, OUTSTANDING),
    (OPEN, OPEN),
    (DISBURSED, DISBURSED_COUNT),
    (PAR30, PAR30),
    (NPL, NPL),
    (LATE, LATE),
    (COLLECTION, COLLECTION),
    (EARLY_SETTLED, EARLY_SETTLED),
    (WRITTEN_OFF, WRITTEN_OFF_COUNT),
    (PENALTIES, PENALTIES),
)
CLIENTS = Measure(
    "clients", "Clients who owe something", "client_count", unit=COUNT, text="Scored or not, with an open contract.", dataset="risk"
)
EXPECTED_COUNT = Measure(
    "expected_count",
    "Expected defaults",
    "expected_default_count",
    unit=COUNT,
    text="Sum of the clients' probabilities of default within twelve months.",
    dataset="risk",
)
EXPECTED_AMOUNT = Measure(
    "expected_amount",
    "Outstanding expected to default",
    "expected_default_amount",
    unit=MONEY,
    text="Sum of probability times outstanding principal.",
    dataset="risk",
)
MEAN_PROBABILITY = Measure(
    "mean_probability",
    "Expected share of clients",
    "expected_default_count",
    "client_count",
    text="Expected defaults / clients who owe something.",
    dataset="risk",
)
EXPECTED_RATIO = Measure(
    "expected_ratio",
    "Expected share of principal",
    "expected_default_amount",
    "outstanding_principal_amount",
    text="Outstanding expected to default / outstanding principal.",
    dataset="risk",
)
RISK_TILES = tuple((one, one) for one in (CLIENTS, EXPECTED_COUNT, MEAN_PROBABILITY, EXPECTED_AMOUNT, EXPECTED_RATIO))
RATES = (LATE, SKIPPED, EARLY_SETTLED, PAR30, NPL, COLLECTION)


def columns_of(measures: tuple[Measure, ...]) -> tuple[str, ...]:
    """Columns that some measures add, each once."""
    return tuple(dict.fromkeys(name for one in measures for name in (one.top, one.bottom) if name))
