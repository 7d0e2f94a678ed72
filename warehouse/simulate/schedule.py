"""Repayment schedules: annuities with whole-dong installments whose principal parts sum to the loan exactly.

Every amount is a closed formula of the contract and the installment number, so no installment needs the one before it.
"""

from typing import NamedTuple

import numpy as np

from warehouse.simulate.dates import Days, add_months
from warehouse.simulate.draws import Floats, Ints


class Terms(NamedTuple):
    """What a schedule is computed from; one array an attribute, one element a contract."""

    principal: Ints
    tenor: Ints
    rate: Floats
    fee: Ints
    first_due: Days

    def at(self, contract: Ints) -> "Terms":
        """The terms of the contracts at these positions, repeated as often as they are named."""
        return Terms(self.principal[contract], self.tenor[contract], self.rate[contract], self.fee[contract], self.first_due[contract])


class Amounts(NamedTuple):
    """Parts of one installment each, in dong."""

    principal: Ints
    interest: Ints
    fee: Ints

    @property
    def total(self) -> Ints:
        """Amount due."""
        return self.principal + self.interest + self.fee


def balance(terms: Terms, number: Ints) -> Ints:
    """Principal still owed by the schedule after so many installments."""
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = (1.0 + terms.rate) ** terms.tenor
        share = np.where(terms.rate > 0, (whole - (1.0 + terms.rate) ** number) / (whole - 1.0), 1.0 - number / terms.tenor)
    return np.round(terms.principal * share).astype(np.int64)


def monthly(terms: Terms) -> Ints:
    """Principal and interest due each month."""
    with np.errstate(invalid="ignore", divide="ignore"):
        annuity = terms.principal * terms.rate / (1.0 - (1.0 + terms.rate) ** -terms.tenor)
    return np.round(np.where(terms.rate > 0, annuity, terms.principal / terms.tenor)).astype(np.int64)


def amounts(terms: Terms, number: Ints) -> Amounts:
    """Parts of the installments with these numbers (from 1)."""
    principal = balance(terms, number - 1) - balance(terms, number)
    interest = np.where(terms.rate > 0, np.maximum(monthly(terms) - principal, 0), 0)
    return Amounts(principal, interest, terms.fee)


def due(terms: Terms, number: Ints) -> Days:
    """Due dates of the installments with these numbers (from 1)."""
    return add_months(terms.first_due, number - 1)
