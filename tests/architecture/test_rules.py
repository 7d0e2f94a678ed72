"""Rules of the code base that a tool can hold: one place for the environment, one for connections, none for backend names."""

import ast

from tests.architecture.modules import ROOT, nodes, relative, source_files

READS_ENVIRONMENT = {"warehouse/settings.py"}
NAMES_A_BACKEND = {"warehouse/engine.py", "warehouse/settings.py", "features/offline_store.py"}
EXECUTES = {"execute", "to_pandas", "to_pyarrow", "to_pyarrow_batches", "raw_sql", "to_parquet"}
PURE = ("warehouse/curated/", "warehouse/marts/", "warehouse/staging/")
EDGES = {  # they drive the functions beside them and read small answers from the engine
    "warehouse/marts/reconciliation.py",
    "warehouse/marts/write.py",
    "warehouse/staging/arrivals.py",
    "warehouse/staging/ledger.py",
    "warehouse/staging/restage.py",
    "warehouse/staging/screening.py",
}


def test_only_the_settings_read_the_environment():
    readers = {
        relative(file)
        for file in source_files()
        for node in nodes(file)
        if isinstance(node, ast.Attribute)
        and node.attr in {"environ", "getenv"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    assert readers == READS_ENVIRONMENT


def test_no_backend_is_named_outside_the_engine():
    named = {
        relative(file)
        for file in source_files()
        if file.parts[len(ROOT.parts)] in {"warehouse", "features"}
        for node in nodes(file)
        if (isinstance(node, ast.Attribute) and node.attr in {"duckdb", "pyspark", "postgres"})
        or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "duckdb" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "duckdb")
    }
    assert named <= NAMES_A_BACKEND, named - NAMES_A_BACKEND


def test_table_functions_execute_nothing():
    calls = {
        f"{relative(file)}:{node.lineno} {node.func.attr}"
        for file in source_files()
        if relative(file).startswith(PURE) and relative(file) not in EDGES
        for node in nodes(file)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in EXECUTES
        if "schema" not in ast.unparse(node.func.value)  # a schema's to_pyarrow converts types, it runs nothing
    }
    assert calls == set()


def test_nothing_is_left_for_later():
    words = ("TODO", "FIXME", "XXX")
    found = [f"{relative(file)}: {word}" for file in source_files() for word in words if word in file.read_text()]
    assert found == []
