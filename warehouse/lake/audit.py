"""Audits of a staged table: does it keep what its declaration promises, before anybody can read it?

The rules become one pandera schema, which decides; exact counts are taken only for rules that failed. Null rules of all columns are one
check, since pandera asks the engine once per check and a table has dozens of columns. Messages hold counts, never values: a value may be
a person's name.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir

from warehouse.table import TIMESTAMP, Column, TableSpec, columns

if TYPE_CHECKING:
    import pandera.ibis as pandera

STRUCTURE, NOT_NULL = "structure", "not_null"
MAX_FAILURE_CASES = 10  # pandera builds failure cases row by row: half a million took 85 s

AUDIT_RESULT = TableSpec(
    name="ops.audit_result",
    description="Outcome of one rule of one audit of a staged table, published or not.",
    grain=("audit_at", "run_id", "table_name", "rule"),
    columns=columns(
        [
            ("audit_at", TIMESTAMP, "When the result was recorded."),
            ("run_id", "string", "Run that staged the table."),
            ("table_name", "string", "Table, as layer.table."),
            ("rule", "string", "Rule, with its column where it is about one."),
            ("passed", "boolean", "Whether the table keeps the rule."),
            ("failed_rows", "int64", "Rows that break it; 0 also when the check itself failed to run."),
            ("message", "string", "One sentence for people."),
        ]
    ),
)


@dataclass(frozen=True)
class AuditResult:
    """Outcome of one rule of one table."""

    table: str
    rule: str
    passed: bool
    failed_rows: int
    message: str


@dataclass(frozen=True)
class Rule:
    """One rule of a table: how many rows break it, as an expression, and the sentence that says what holds."""

    name: str
    broken_rows: Callable[[ir.Table], ir.IntegerScalar]
    sentence: str


def audit_table(spec: TableSpec, table: ir.Table) -> list[AuditResult]:
    """Check a stored table against its declaration.

    Args:
        spec: declaration.
        table: the stored table; pandera raises IntegrityError on an unstored chain of joins.

    Returns:
        One result per rule, and one per column that misses values. A check that fails to run counts as failed.
    """
    failures = _failures(spec, table)
    structure = "; ".join(failures.pop(STRUCTURE, []))
    results = [AuditResult(spec.name, STRUCTURE, not structure, 0, structure or "columns and types are as declared")]
    for rule in rules(spec):
        if rule.name in failures:
            results += _explained(spec, table, rule, failures[rule.name])
        else:
            results.append(AuditResult(spec.name, rule.name, True, 0, rule.sentence))
    return results


def rules(spec: TableSpec) -> list[Rule]:
    """The row rules that follow from a declaration: never null, unique grain, bounds, allowed values."""
    filled = [column.name for column in spec.columns if not column.nullable or column.name in spec.grain]
    return [
        Rule(NOT_NULL, lambda table: ibis.or_(*(is_missing(table[name]) for name in filled)).sum(), "no value is missing"),
        Rule("grain", lambda table: _repeated_rows(table, spec.grain), f"({', '.join(spec.grain)}) is unique"),
        *(_bounds_rule(column) for column in spec.columns if column.bounds is not None),
        *(_values_rule(column) for column in spec.columns if column.values is not None),
    ]


def is_missing(value: ir.Value) -> ir.BooleanValue:
    """Null, or not a number in a float column."""
    return value.isnull() | value.isnan().fill_null(False) if value.type().is_floating() else value.isnull()


def _repeated_rows(table: ir.Table, grain: tuple[str, ...]) -> ir.IntegerScalar:
    # By a group-by of our own: pandera's Column(unique=True) passes duplicates, and its table-level unique needs a window over all rows.
    return table.group_by(list(grain)).agg(row_count=table.count()).filter(lambda groups: groups.row_count > 1).row_count.sum()


def _bounds_rule(column: Column) -> Rule:
    low, high = column.bounds or (None, None)

    def broken(table: ir.Table) -> ir.IntegerScalar:
        value = table[column.name]
        tests = [] if low is None else [value < low]
        tests += [] if high is None else [value > high]
        return ibis.or_(*tests).sum()

    limits = [] if low is None else [f"at least {low}"]
    limits += [] if high is None else [f"at most {high}"]
    return Rule(f"bounds({column.name})", broken, f"{column.name} is {' and '.join(limits)}")


def _values_rule(column: Column) -> Rule:
    allowed = list(column.values or ())
    return Rule(
        f"values({column.name})",
        lambda table: table[column.name].notin(allowed).sum(),
        f"{column.name} is one of {', '.join(allowed)}",
    )


def pandera_schema(spec: TableSpec) -> "pandera.DataFrameSchema":
    """The pandera schema of a declaration: columns and types in order, and one table-level check per rule."""
    import pandera.ibis as pandera  # 3 s, so only where tables are audited

    def check(rule: Rule) -> pandera.Check:
        passes = lambda data: rule.broken_rows(data.table).fill_null(0) == 0  # noqa: E731
        return pandera.Check(passes, name=rule.name, error=rule.sentence, n_failure_cases=MAX_FAILURE_CASES)

    # Nulls are a rule above: pandera would ask the engine once for every column.
    declared = {column.name: pandera.Column(column.ibis_dtype.copy(nullable=True), nullable=True) for column in spec.columns}
    return pandera.DataFrameSchema(declared, checks=[check(rule) for rule in rules(spec)], strict=True, ordered=True, name=spec.name)


def _failures(spec: TableSpec, table: ir.Table) -> dict[str, list[str]]:
    """Messages of what pandera found broken, by rule; all that is not one of our rules is about the structure."""
    from pandera.errors import SchemaErrors

    names = {rule.name for rule in rules(spec)}
    found: dict[str, list[str]] = {}
    try:
        pandera_schema(spec).validate(table, lazy=True)
    except SchemaErrors as errors:
        for error in errors.schema_errors:
            rule = getattr(error.check, "name", None)
            found.setdefault(rule if rule in names else STRUCTURE, []).append(str(error))
    return found


def _explained(spec: TableSpec, table: ir.Table, rule: Rule, messages: list[str]) -> Iterator[AuditResult]:
    """Failed results of a rule with exact counts; by column for missing values."""
    try:
        if rule.name == NOT_NULL:
            yield from _missing_by_column(spec, table)
        else:
            count = int(rule.broken_rows(table).to_pyarrow().as_py())
            yield AuditResult(spec.name, rule.name, False, count, f"{count} rows break the rule: {rule.sentence}")
    except Exception as error:  # noqa: BLE001  # a check that cannot run is a failed check, whatever the reason
        yield AuditResult(spec.name, rule.name, False, 0, f"the check failed to run ({type(error).__name__}): {rule.sentence}")


def _missing_by_column(spec: TableSpec, table: ir.Table) -> list[AuditResult]:
    filled = [column.name for column in spec.columns if not column.nullable or column.name in spec.grain]
    counts = table.aggregate(**{name: is_missing(table[name]).sum() for name in filled}).to_pyarrow().to_pylist()[0]
    return [
        AuditResult(spec.name, f"{NOT_NULL}({name})", False, int(count), f"{count} rows have no {name}")
        for name, count in counts.items()
        if count
    ]
