"""Lending constants and the settings that change a lending definition.

Definitions differ between lenders, so what a lender may set is in Terms and everything else is a named constant with its source.
The formulas themselves are in warehouse.curated; docs/lending-terms.md explains each one.
"""

from dataclasses import dataclass
from decimal import Decimal

# Contract statuses, in the order in which events of one day are applied.
STATUSES = ("New", "Active", "Paid-off", "Written Off", "Sold", "Cancel", "Close")
ENDING_STATUSES = ("Paid-off", "Written Off", "Sold", "Cancel", "Close")
# Days past due stop counting on the day of the loss and stay there, so that a write-off does not look like a cure.
FROZEN_STATUSES = ("Written Off", "Sold")

PRODUCT_TYPES = ("Cash loan", "Consumer Durable loan", "Two-Wheeler loan")

# Upper edges are exclusive: a contract is in a bucket from its first day on (boundaries are `>=` everywhere).
DPD_BUCKETS = (("0", 0), ("1_29", 1), ("30_59", 30), ("60_89", 60), ("90_plus", 90))
PAR_DAYS = (30, 60, 90)
DEFAULT_DPD = 90  # Basel says more than 90; consumer lenders report 90 and more
INDETERMINATE_DPD = 30
FPD_DAYS = 30  # also of the second and third installment

# Circular 31/2024/TT-NHNN: group and its first day past due. The 90th day is still group 2 although it is `90_plus`.
VN_DEBT_GROUPS = ((1, 0), (2, 10), (3, 91), (4, 181), (5, 361))
VN_NPL_GROUP = 3  # groups 3 to 5 are bad debt
CURE_FROM_DPD = 30
CURE_INSTALLMENTS = 3  # consecutive ones on time; without them a contract is back to current, not cured

SKIPPED_BELOW_RATIO = Decimal("0.10")  # an installment is skipped when less than this share was paid by the next due date
EARLY_SETTLEMENT_MIN_DAYS = 15  # paying the last installment a few days early is no early settlement
REFINANCE_DAYS = 7  # another contract this close to the settlement day paid for it
ORPHAN_ESCALATION_DAYS = 10  # business dates that an orphan may wait for its parent

WILSON_Z = 1.959963984540054  # 97.5 % quantile of the normal distribution: bounds of 95 % on both sides
MIN_OBSERVATIONS = 30  # a share of fewer cases is flagged: below it the normal approximation is commonly not trusted
MIN_CLIENTS = 5  # a cell of fewer clients is flagged for shared exports: the usual threshold rule of statistical disclosure control

OUTCOME_MONTHS = 12
MATURITY_DAYS = 30  # booking lag after the outcome window, before its label counts

UNKNOWN = "Unknown"  # region, product or product type that no delivery has named


@dataclass(frozen=True)
class Terms:
    """What a lender may set about its definitions.

    Attributes:
        time_zone: IANA name; business dates are calendar days there.
        currency: ISO code of all money columns.
        settlement_tolerance_amount: an installment counts as settled when at most this much is missing.
        settlement_tolerance_ratio: the same as a share of the amount due; the larger of the two applies.
        grace_days: an installment is late from the day after this many days past its due date.
    """

    time_zone: str = "Asia/Ho_Chi_Minh"
    currency: str = "VND"
    settlement_tolerance_amount: Decimal = Decimal("0.00")
    settlement_tolerance_ratio: Decimal = Decimal("0.01")
    grace_days: int = 0
