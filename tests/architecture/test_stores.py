"""The offline and online stores serve any Feast project: their modules know Feast, files and databases, and nothing of lending."""

import ast
import re

import pytest

from tests.architecture.modules import ROOT

FEATURES = ROOT / "features"
OFFLINE = sorted([*(FEATURES / "offline").glob("*.py"), FEATURES / "offline_store.py", FEATURES / "parquet_source.py"])
ONLINE = sorted([*(FEATURES / "online").glob("*.py"), *FEATURES.glob("online_store*.py")])
TERMS = re.compile(
    r"lend|loan|borrow|repay|installment|credit|debt|contract|client_id|arrear|default_risk|\bdpd\b|tenor|principal|\binterest|penalt", re.I
)
LONGEST = 300


def imports(module) -> set[str]:
    """What a module imports, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = node.module or ""
            folder = ROOT.joinpath(*package.split("."))
            found |= {f"{package}.{alias.name}" for alias in node.names} if folder.is_dir() else {package}
    return found


@pytest.mark.parametrize(
    ("module", "family"), [(path, family) for family in (OFFLINE, ONLINE) for path in family], ids=lambda value: getattr(value, "stem", "")
)
def test_a_module_of_a_store_is_of_no_project(module, family):
    ours = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in family}
    others = {name for name in imports(module) if name.split(".")[0] in ("warehouse", "features", "training", "serving", "orchestration")}
    assert others <= ours
    assert TERMS.findall(module.read_text()) == []
    assert len(module.read_text().splitlines()) <= LONGEST


def test_there_are_modules():
    assert {"offline_store", "parquet_source", "retrieval", "point_in_time", "merge_join"} <= {path.stem for path in OFFLINE}
    assert {"online_store", "online_store_redis", "sqlite_file", "redis_server", "reader", "packed"} <= {path.stem for path in ONLINE}
