"""The source files of the packages, for tests that read code."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("warehouse", "features", "training", "serving", "orchestration")


def source_files() -> list[Path]:
    """All Python files of the packages."""
    return sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


def module_names() -> list[str]:
    """Dotted names of all modules of the packages."""
    parts = (file.relative_to(ROOT).with_suffix("").parts for file in source_files())
    return [".".join(part[:-1] if part[-1] == "__init__" else part) for part in parts]


def nodes(file: Path) -> Iterator[ast.AST]:
    """All syntax nodes of a file."""
    return ast.walk(ast.parse(file.read_text(), filename=str(file)))


def relative(file: Path) -> str:
    """Path below the root, with forward slashes."""
    return file.relative_to(ROOT).as_posix()
