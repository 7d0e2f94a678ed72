"""Audits of a staged table: does it keep what its declaration promises, before anybody can read it?

The rules become a pandera schema, which decides. It first asks whether all rules hold, in one query, since every pandera check is a query
of its own; only if they do not is each rule a check, and exact counts are taken of those that failed. Messages hold counts, never values:
a value may be a person's name.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, cast

import ibis
import ibis.expr.types as ir

from warehouse.table import TIMESTAMP, Column, TableSpec, columns

if TYPE_CHECKING:
    import pandera.ibis as pandera

STRUCTURE, NOT_NULL, EVERY_RULE = "structure", "not_null", "every rule"
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
    """One rule of a table: the sentence that says what holds, and which rows break it or, where rows depend on others, how many."""

    name: str
    sentence: str
    is_broken: Callable[[ir.Table], ir.BooleanValue] | None = None
    count_broken: Callable[[ir.Table], ir.IntegerScalar] | None = None

    def broken_rows(self, table: ir.Table) -> ir.IntegerScalar:
        """How many rows break the rule; null for an empty table."""
        if self.count_broken is not None:
            return self.count_broken(table)
        return cast("Callable", self.is_broken)(table).sum()


def audit_table(spec: TableSpec, table: ir.Table, kept: ir.Table | None = None) -> list[AuditResult]:
    """Check a stored table against its declaration.

    Args:
        spec: declaration.
        table: the stored table, or its new rows; pandera raises IntegrityError on an unstored chain of joins.
        kept: the other rows of the table, which were audited before: no new row may have the key of one of them.

    Returns:
        One result per rule, and one per column that misses values. A check that fails to run counts as failed.
    """
    checked = rules(spec, kept)
    failures = _failures(spec, table, [_every_rule(checked)])
    if failures:
        failures = _failures(spec, table, checked)
    structure = "; ".join(failures.pop(STRUCTURE, []))
    results = [AuditResult(spec.name, STRUCTURE, not structure, 0, structure or "columns and types are as declared")]
    for rule in checked:
        if rule.name in failures:
            results += _explained(spec, table, rule)
        else:
            results.append(AuditResult(spec.name, rule.name, True, 0, rule.sentence))
    return results


def rules(spec: TableSpec, kept: ir.Table | None = None) -> list[Rule]:
    """The rules that follow from a declaration: never null, unique grain, bounds, allowed values."""
    filled = _filled(spec)
    return [
        Rule(
            NOT_NULL, f"no value is missing in {', '.join(filled)}", lambda table: ibis.or_(*(is_missing(table[name]) for name in filled))
        ),
        Rule("grain", f"({', '.join(spec.grain)}) is unique", count_broken=lambda table: _repeated_rows(table, spec.grain, kept)),
        *(_bounds_rule(column) for column in spec.columns if column.bounds is not None),
        *(_values_rule(column) for column in spec.columns if column.values is not None),
    ]


def is_same_audit(spec: TableSpec, audit: Sequence[Mapping[str, Any]] | None) -> bool:
    """Whether an earlier audit asked for all that the declaration asks for now, and passed."""
    if audit is None or not all(result["passed"] for result in audit):
        return False
    asked = {(result["rule"], result["message"]) for result in audit}
    return {(rule.name, rule.sentence) for rule in rules(spec)} <= asked


def _every_rule(checked: Sequence[Rule]) -> Rule:
    """All rules as one, which the engine answers in one query."""

    def count_broken(table: ir.Table) -> ir.IntegerScalar:
        rows = ibis.or_(*(rule.is_broken(table) for rule in checked if rule.is_broken)).sum()
        others = (rule.count_broken(table) for rule in checked if rule.count_broken)
        return reduce(operator.add, (count.as_scalar().fill_null(0) for count in (rows, *others)))

    return Rule(EVERY_RULE, "every rule holds", count_broken=count_broken)


def _filled(spec: TableSpec) -> list[str]:
    return [column.name for column in spec.columns if not column.nullable or column.name in spec.grain]


def is_missing(value: ir.Value) -> ir.BooleanValue:
    """Null, or not a number in a float column."""
    return value.isnull() | value.isnan().fill_null(False) if value.type().is_floating() else value.isnull()


def _repeated_rows(table: ir.Table, grain: tuple[str, ...], kept: ir.Table | None) -> ir.IntegerScalar:
    # By a group-by of our own: pandera's Column(unique=True) passes duplicates, and its table-level unique needs a window over all rows.
    keys = table.select(*grain)
    if kept is not None:
        keys = keys.union(kept.select(*grain).semi_join(keys, list(grain)))
    return keys.group_by(list(grain)).agg(row_count=keys.count()).filter(lambda groups: groups.row_count > 1).row_count.sum()


def _bounds_rule(column: Column) -> Rule:
    low, high = column.bounds or (None, None)

    def is_broken(table: ir.Table) -> ir.BooleanValue:
        value = table[column.name]
        tests = [] if low is None else [value < low]
        tests += [] if high is None else [value > high]
        return ibis.or_(*tests)

    limits = [] if low is None else [f"at least {low}"]
    limits += [] if high is None else [f"at most {high}"]
    return Rule(f"bounds({column.name})", f"{column.name} is {' and '.join(limits)}", is_broken)


def _values_rule(column: Column) -> Rule:
    allowed = list(column.values or ())
    sentence = f"{column.name} is one of {', '.join(allowed)}"
    return Rule(f"values({column.name})", sentence, lambda table: table[column.name].notin(allowed))


def pandera_schema(spec: TableSpec, checked: Sequence[Rule]) -> "pandera.DataFrameSchema":
    """The pandera schema of a declaration: columns and types in order, and one table-level check per rule."""
    import pandera.ibis as pandera  # 3 s, so only where tables are audited

    def check(rule: Rule) -> pandera.Check:
        passes = lambda data: rule.broken_rows(data.table).fill_null(0) == 0  # noqa: E731
        return pandera.Check(passes, name=rule.name, error=rule.sentence, n_failure_cases=MAX_FAILURE_CASES)

    # Nulls are a rule above: pandera would ask the engine once for every column.
    declared = {column.name: pandera.Column(column.ibis_dtype.copy(nullable=True), nullable=True) for column in spec.columns}
    return pandera.DataFrameSchema(declared, checks=[check(rule) for rule in checked], strict=True, ordered=True, name=spec.name)


def _failures(spec: TableSpec, table: ir.Table, checked: Sequence[Rule]) -> dict[str, list[str]]:
    """Messages of what pandera found broken, by rule; all that is not one of our rules is about the structure."""
    from pandera.errors import SchemaErrors

    names = {rule.name for rule in checked}
    found: dict[str, list[str]] = {}
    try:
        pandera_schema(spec, checked).validate(table, lazy=True)
    except SchemaErrors as errors:
        for error in errors.schema_errors:
            rule = getattr(error.check, "name", None)
            found.setdefault(rule if rule in names else STRUCTURE, []).append(str(error))
    return found


def _explained(spec: TableSpec, table: ir.Table, rule: Rule) -> Iterator[AuditResult]:
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
    counts = table.aggregate(**{name: is_missing(table[name]).sum() for name in _filled(spec)}).to_pyarrow().to_pylist()[0]
    return [
        AuditResult(spec.name, f"{NOT_NULL}({name})", False, int(count), f"{count} rows have no {name}")
        for name, count in counts.items()
        if count
    ]
