"""Copies of contracts as known on several days, so that one computation of positions answers for all of these days.

Positions know one instant of knowledge a date. To ask about one month end with the knowledge of many days, a contract is copied once a
day, with the rows known by its end, under keys that begin with the day. All keys of a copy begin alike, so they sort as they did; the order
of ids decides between payments of one day.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import BEGINNING, end_of_day, end_of_day_at
from warehouse.curated.staged import Staged
from warehouse.table import TIMESTAMP
from warehouse.terms import Terms

COPY = ("copy", "known_until")
PREFIX = 10  # characters of a date in ISO form


def copied(staged: Staged, asked: ir.Table, terms: Terms) -> Staged:
    """Staging tables of copies of contracts, each with what was known by the end of a day.

    Clients and regions stay as they are: where a client lived is asked apart. Products are those that the contracts name, each of a type
    with its own code, since which type it has depends on the day too.

    Args:
        staged: the staging tables.
        asked: contract_number, known_on; which contracts, and as known on which days.
        terms: the lender's time zone.
    """
    copies = asked.select("contract_number", copy=copy_name(_.known_on), known_until=end_of_day_at(_.known_on, terms.time_zone))
    copies = copies.distinct().cache()
    contracts = _renamed(_known(staged.contracts, copies, "contract_number"), "contract_number", "client_id")
    schedule = _ids(staged.installments, copies, "contract_number", "installment_id")
    payments = _ids(staged.repayments, copies, "contract_number", "repayment_id")
    reversals = _ids(staged.repayments, payments.rename(reverses_repayment_id="repayment_id"), "reverses_repayment_id", "repayment_id")
    received = _known(staged.repayments, payments.union(reversals, distinct=True), "repayment_id")
    charges = _known(staged.penalties, _ids(staged.penalties, schedule, "installment_id", "penalty_id"), "penalty_id")
    codes = contracts.select("product_code", product_type_id="product_code").filter(_.product_code.notnull()).distinct()
    always = {
        "business_date": ibis.literal(BEGINNING),
        "known_at": ibis.literal(end_of_day(BEGINNING, terms.time_zone), TIMESTAMP),
        "is_deleted": ibis.literal(False),
    }
    return staged._replace(
        products=codes.mutate(**always).cache(),
        product_types=codes.select("product_type_id", product_type_name="product_type_id", **always).cache(),
        contracts=contracts,
        contract_status_history=_renamed(_known(staged.contract_status_history, copies, "contract_number"), "contract_number"),
        installments=_renamed(_known(staged.installments, schedule, "installment_id"), "installment_id", "contract_number"),
        repayments=_renamed(received, "repayment_id", "reverses_repayment_id", "installment_id", "contract_number"),
        penalties=_renamed(charges, "penalty_id", "installment_id"),
    )


def copy_name(known_on: ir.DateValue) -> ir.StringValue:
    """What the keys of a copy begin with."""
    return known_on.strftime("%Y-%m-%d")


def original(name: ir.StringValue) -> ir.StringValue:
    """The key of which one is a copy."""
    return name.substr(PREFIX)


def _ids(table: ir.Table, copies: ir.Table, parent: str, key: str) -> ir.Table:
    """Keys of which any version has a parent that is copied: a version that moved away has to be replaced in the copy too."""
    return table.select(parent, key).join(copies, parent).select(key, *COPY).distinct()


def _known(table: ir.Table, copies: ir.Table, key: str) -> ir.Table:
    """All versions of the keys of each copy that are known in it."""
    return table.join(copies, key).filter(_.known_at <= _.known_until)


def _renamed(rows: ir.Table, *names: str) -> ir.Table:
    """Rows with the copy's name in front of some keys, kept in the engine."""
    return rows.mutate(**{name: _.copy + _[name] for name in names}).drop(COPY).cache()
