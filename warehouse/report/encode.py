"""Tables as the JSON that a page carries: by column, repeated text and dates once, money exact.

Text is escaped so that nothing in it can end the element that holds it, whatever a region is called.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

# Inside a script element only these could be read as markup; U+2028 and U+2029 would end a line of script.
MARKUP = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def script_json(value: Any) -> str:
    """A value as JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=plain, allow_nan=False)
    for character, escaped in MARKUP.items():
        text = text.replace(character, escaped)
    return text


def plain(value: Any) -> Any:
    """A date as ISO text; money as a whole number where it is one, so that it is as short as it is exact."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in a page")


def columnar(table: pa.Table, columns: Sequence[str] | None = None) -> dict[str, Any]:
    """A table by column: numbers as they are, text and dates as places in a list of the distinct ones.

    Args:
        table: the rows.
        columns: which columns, by default all.
    """
    names = table.column_names if columns is None else [name for name in table.column_names if name in columns]
    return {"length": len(table), "columns": {name: _column(table[name]) for name in names}}


def _column(column: pa.ChunkedArray) -> dict[str, Any]:
    values = column.to_pylist()
    if not any(isinstance(value, (str, date)) for value in values):
        return {"values": values}
    distinct = list(dict.fromkeys(values))
    place = {value: number for number, value in enumerate(distinct)}
    return {"distinct": distinct, "codes": [place[value] for value in values]}
