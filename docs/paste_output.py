"""Run the commands that the documents show and paste what they print between the markers; after `make demo`, from the root.

A block is `<!-- output of: COMMAND -->`, a code block, `<!-- end of output -->`. The command runs in .venv with the demo's state.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"<!-- output of: (?P<command>.+?) -->\n```\n.*?```\n<!-- end of output -->", re.DOTALL)
SECRET = re.compile(r"(API key of the scoring endpoint \(stored as a hash only\): )\S+")


def printed(command: str) -> str:
    """What a command prints on standard output."""
    program, *arguments = shlex.split(command)
    path = f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path}
    done = subprocess.run([program, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return SECRET.sub(r"\1...", done.stdout).replace(f"{ROOT}/", "").strip()


def pasted(text: str) -> str:
    """A document with fresh output in every block."""

    def block(found: re.Match[str]) -> str:
        command = found["command"]
        return f"<!-- output of: {command} -->\n```\n{printed(command)}\n```\n<!-- end of output -->"

    return BLOCK.sub(block, text)


def main(names: list[str]) -> None:
    """Rewrite the named documents, by default all that have a block."""
    files = [ROOT / name for name in names] or [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for file in files:
        text = file.read_text()
        if BLOCK.search(text):
            file.write_text(pasted(text))
            print(f"{file.relative_to(ROOT)} has fresh output")


if __name__ == "__main__":
    main(sys.argv[1:])
