"""What the documents name exists: paths, links, commands and targets; and the pasted outputs are there."""

import re

import pytest

from orchestration.cli import build_parser
from tests.architecture.modules import ROOT, relative

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"\blending ([a-z]+)\b")
TARGET = re.compile(r"\bmake ([a-z]+)\b")
OUTPUT = re.compile(r"<!-- output of: (.+?) -->\n```\n(.*?)```\n<!-- end of output -->", re.DOTALL)


def code(text: str) -> str:
    """What is set as code in a document: fenced blocks and inline code."""
    return "\n".join([*re.findall(r"```(?:sh)?\n(.*?)```", text, re.DOTALL), *re.findall(r"`([^`\n]+)`", text)])


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(document):
    broken = [target for target in LINK.findall(document.read_text()) if not (document.parent / target).exists()]
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_commands_and_targets_exist(document):
    commands = next(action.choices for action in build_parser()._actions if action.dest == "command")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = code(document.read_text())
    assert set(COMMAND.findall(text)) - set(commands) == set()
    assert set(TARGET.findall(text)) - targets == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_paths_in_code_exist(document):
    named = re.findall(r"`((?:warehouse|features|training|serving|orchestration|tests|docs)/[\w./-]*)`", document.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_pasted_output_is_there():
    found = [(relative(file), *block) for file in DOCUMENTS for block in OUTPUT.findall(file.read_text())]
    assert len(found) >= 7
    assert [command for _, command, output in found if not output.strip()] == []
