"""When a row became known, and whether it came with its table's opening delivery.

The history in an opening delivery is known from the day it was booked or happened, as the lender knew it then. Everything later is known
when it was delivered, however early it was booked: that is what scores of those days could use.
"""

import ibis
import ibis.expr.types as ir

from warehouse.clock import end_of_day_at


def known(rows: ir.Table, files: ir.Table, time_zone: str) -> ir.Table:
    """Rows with is_opening and known_at.

    Args:
        rows: with event_on (day of the event, null if there is none) and, in repayments, booked_at.
        files: delivered files of the table, whose least business date is its opening date.
        time_zone: the lender's zone.
    """
    opening_on = files.business_date.min().as_scalar()
    opened = rows.mutate(is_opening=rows.business_date == opening_on)
    delivered = opened.business_date
    day = ibis.ifelse(opened.is_opening, ibis.least(opened.event_on.fill_null(delivered), delivered), delivered)
    if "booked_at" in rows.columns:
        is_booked = opened.is_opening & opened.booked_at.notnull()
        known_at = ibis.ifelse(is_booked, ibis.least(opened.booked_at, end_of_day_at(delivered, time_zone)), end_of_day_at(day, time_zone))
    else:
        known_at = end_of_day_at(day, time_zone)
    return opened.mutate(known_at=known_at)
