"""The online store serves any Feast project: its modules know packed rows, Feast and a database, and nothing of lending."""

import ast
import re

import pytest

from tests.architecture.modules import ROOT

MODULES = sorted(path for pattern in ("online_*.py", "packed*.py", "entity_key.py") for path in (ROOT / "features").glob(pattern))
TERMS = r"lend|loan|client_id|contract|installment|repay|borrow|credit|default_risk|arrear|dpd"


def test_there_are_modules():
    assert {"online_store", "online_store_redis", "online_file", "online_redis", "online_reader", "packed", "entity_key"} <= {
        m.stem for m in MODULES
    }


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_of_the_online_store_is_of_no_lender(module):
    tree = ast.parse(module.read_text())
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name for name in imported if name.split(".")[0] in {"warehouse", "training", "serving", "orchestration"}}
    ours = {path.stem for path in MODULES}
    assert {name.partition(".")[2] for name in imported if name.startswith("features")} <= ours
    assert re.findall(TERMS, module.read_text(), re.IGNORECASE) == []
