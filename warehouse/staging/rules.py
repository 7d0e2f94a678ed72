"""The rules that a delivered row is judged by: id, severity and one sentence for people that says what to do.

reject: the row is quarantined. park: the row waits for another one and is judged again whenever something arrives. warn: the row is
kept. A row may break several rules; the worst decides what becomes of it, each is recorded. block: the rule is about a table of a
delivery as a whole (warehouse.staging.batch); nothing of the delivery is taken.
"""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

SEVERITIES = ("block", "reject", "park", "warn")


@dataclass(frozen=True)
class Rule:
    """One rule: its id, what breaking it does to the row, and a sentence with the fix."""

    id: str
    severity: str
    sentence: str


RULES: tuple[Rule, ...] = (
    Rule("ragged_row", "reject", "The row has more or fewer fields than the header; deliver it with one field a column."),
    Rule("nul_character", "reject", "The row holds a character that is no text (NUL or half a character); deliver it without."),
    Rule("bad_json", "reject", "The line is no JSON object; deliver one object a line."),
    Rule("duplicate_field", "reject", "The object names a field twice; deliver each field once."),
    Rule("nested_value", "reject", "A declared field holds a list or an object; deliver one plain value."),
    Rule("required_value_missing", "reject", "A value that every row needs is empty; deliver the row with it."),
    Rule("invisible_character", "reject", "The id holds a character that nobody sees, so it would be another id; deliver it without."),
    Rule("bad_number", "reject", "Not a number: an optional sign, digits, optionally a point and digits; deliver it so, such as 1234.50."),
    Rule("bad_integer", "reject", "Not a whole number; deliver digits only, such as 12."),
    Rule("number_too_large", "reject", "More digits than the column can hold; check the unit and deliver the row again."),
    Rule("bad_date", "reject", "Not a calendar date of the years 1901 to 2199; deliver it as YYYY-MM-DD, or empty if there is none."),
    Rule("bad_timestamp", "reject", "Not a time; deliver it as YYYY-MM-DDTHH:MM:SS with an offset such as +07:00 or Z."),
    Rule("bad_flag", "reject", "Not a yes or no; deliver true or false."),
    Rule("value_not_allowed", "reject", "The value is not in the column's list of values; docs/tables.md has the list."),
    Rule(
        "negative_amount", "reject", "The amount is below zero, which only a repayment with reverses_repayment_id may be; correct the row."
    ),
    Rule("future_date", "reject", "The repayment is dated after the delivery's business date; deliver it on or after its date."),
    Rule("before_start_date", "reject", "The repayment is dated before its contract started; correct its date or its contract."),
    Rule("reversal_of_reversal", "reject", "The row reverses a reversal; deliver a new repayment instead."),
    Rule(
        "status_transition",
        "reject",
        "The contract cannot go from its status before to this one; deliver the event between them with this one again.",
    ),
    Rule(
        "key_conflict",
        "reject",
        "The delivery has other rows with this key, other values and no greater updated_at; deliver the right one alone.",
    ),
    Rule("orphan", "park", "The row names something that was not delivered yet; it waits, deliver the missing row."),
    Rule(
        "superseded_in_delivery",
        "warn",
        "The same delivery has a row with this key and a greater updated_at, which is used; nothing to do.",
    ),
    Rule(
        "superseded_by_delivery",
        "warn",
        "A later delivery of this business date has another row with this key, which is used; nothing to do.",
    ),
    Rule("amount_rounded", "warn", "The amount has more than 2 decimals and was rounded half up; deliver 2 decimals."),
    Rule("unknown_region", "warn", "The region was not delivered; the client counts as Unknown until it is."),
    Rule("unknown_product", "warn", "The product was not delivered; the contract counts as Unknown until it is."),
    Rule(
        "unknown_installment",
        "warn",
        "The installment was not delivered; the repayment pays its contract, oldest due first, until it is.",
    ),
    Rule("unknown_product_type", "warn", "The product type was not delivered; the product counts as Unknown until it is."),
    Rule("tenor_out_of_range", "warn", "The tenor is outside the product's range; check the contract or the product."),
    Rule("amount_out_of_range", "warn", "The principal is outside the product's range; check the contract or the product."),
    Rule("installment_count", "warn", "The contract's first schedule has more or fewer installments than its tenor; check the schedule."),
    Rule("schedule_sum", "warn", "The principal of the contract's first schedule differs from its principal_amount; check the schedule."),
)
BATCH_RULES: tuple[Rule, ...] = (
    Rule("row_count_low", "block", "The table has far fewer rows than on its other business dates; deliver it whole."),
    Rule("column_empty", "block", "A column that is usually filled has no value in any row; deliver it with its values."),
    Rule("column_constant", "block", "An amount that usually differs is the same in every row; check the column and deliver it again."),
    Rule("rejected_share_high", "block", "Far more rows than usual broke a rule; correct what they have in common and deliver again."),
)
BY_ID = {rule.id: rule for rule in (*RULES, *BATCH_RULES)}


def broken(condition: ir.BooleanValue, rule: str, column: str = "") -> ir.StringValue:
    """A mark `rule:column ` where a condition holds, else an empty text; null counts as not broken.

    Marks are added up in one text column per severity, so that judging a row costs no list and no second pass.
    """
    return ibis.ifelse(condition, f"{BY_ID[rule].id}:{column} ", "")


def marks(*broken_rules: ir.StringValue) -> ir.StringValue:
    """Several marks as one text."""
    total: ir.StringValue = ibis.literal("")
    for mark in broken_rules:
        total = total + mark
    return total
