"""Versions of a key, and the cut to what was known at a date.

A staging table holds one row per key and business date. A version holds from its own known_at until the next one's: known_at rises with
business_date within a key, since later rows are known at the end of their business date and the opening one not after its own.
"""

import ibis
import ibis.expr.types as ir
from ibis import _


def with_known_to(staged: ir.Table, *key: str) -> ir.Table:
    """Add known_to, the instant at which the next version of the key replaces this one; null for the newest.

    Grain: as the input, one row per key and business_date.
    """
    versions = ibis.window(group_by=key, order_by="business_date")
    return staged.mutate(known_to=_.known_at.lead().over(versions))


def is_current(versions: ir.Table, instant: ir.TimestampValue) -> ir.BooleanValue:
    """Whether a version is the newest one known at an instant, deleted or not."""
    return (versions.known_at <= instant) & (versions.known_to.isnull() | (versions.known_to > instant))


def as_known(versions: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """The rows held at each as-of date: of every key the newest known version, unless that one deletes the key.

    Grain: one row per (as_of_on, key).

    Args:
        versions: a staging table with known_to.
        as_ofs: as_of_on, known_until.

    Returns:
        as_of_on, known_until and all columns of the versions. Event dates are not looked at.
    """
    return as_ofs.join(versions, is_current(versions, as_ofs.known_until)).filter(~_.is_deleted)


def as_named(staged: ir.Table, key: str, as_ofs: ir.Table) -> ir.Table:
    """Reference rows at each as-of date: of every key the newest known values, deleted or not.

    A deleted region or product still names what refers to it; otherwise a deletion would move the history of its loans to Unknown.

    Grain: one row per (as_of_on, key).
    """
    return as_known(with_known_to(staged.filter(~_.is_deleted), key), as_ofs)
