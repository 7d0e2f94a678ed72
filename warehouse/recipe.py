"""Recipes: by what a table was computed, so that a later run knows whether rows that it did not compute are as it would compute them.

A recipe is a hash of the lender's terms, the declared columns and the code. Rows of another recipe are computed again, whatever changed:
nobody has to remember that a corrected formula concerns months that were reported long ago.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from warehouse.table import TableSpec
from warehouse.terms import Terms

OURS = ("warehouse", "features")  # packages whose code decides about values
STORAGE = "warehouse.lake"  # moves rows and changes none


def recipe(spec: TableSpec, terms: Terms, root: str) -> str:
    """By what a table is computed.

    Args:
        spec: declaration of the table.
        terms: the lender's definitions.
        root: name of the module that computes it; the code is that of the module and of all that it imports of ours at its top.
    """
    columns = [(column.name, column.dtype) for column in spec.columns]
    return hashlib.sha256(repr((terms, columns, code_of(root))).encode()).hexdigest()


@cache
def code_of(root: str) -> str:
    """A hash of the code of a module and of all modules of ours that it imports, directly or not; comments and layout do not count."""
    found: dict[str, ast.Module] = {}
    asked = [root]
    while asked:
        name = asked.pop()
        if name not in found and (source := _source(name)) is not None:
            found[name] = source
            asked += _imports(source)
    return hashlib.sha256(repr([(name, ast.dump(found[name])) for name in sorted(found)]).encode()).hexdigest()


def _imports(source: ast.Module) -> Iterator[str]:
    """Names that the statements at the top of a module import; a name that is no module has no source and is passed over."""
    for statement in source.body:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            yield statement.module
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


def _source(name: str) -> ast.Module | None:
    """The source of a module of ours; None for anything else."""
    if name.partition(".")[0] not in OURS or name == STORAGE or name.startswith(f"{STORAGE}."):
        return None
    try:
        found = find_spec(name)
    except ModuleNotFoundError:  # the name of a function in a module
        return None
    return ast.parse(Path(found.origin).read_bytes()) if found and found.origin else None
