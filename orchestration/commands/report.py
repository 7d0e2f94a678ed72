"""`lending report`: the portfolio report as pages."""

import argparse

from orchestration.cli import DONE
from warehouse.settings import Settings


def report(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write the pages and print where to begin."""
    from orchestration.commands.runs import Runner, step_metadata

    with Runner(settings) as runner:
        runner.platform.lake.at(arguments.release)
        config = {"out": str(arguments.out.absolute()) if arguments.out else None, "release_id": arguments.release}
        facts = step_metadata(runner.run("report", config={"report__portfolio": config}), "report/portfolio")
    print(f"portfolio report of release {facts['release_id']}, {facts['pages']} pages: {facts['page']}")
    return DONE
