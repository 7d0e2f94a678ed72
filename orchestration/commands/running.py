"""Commands that start servers or write files for people to try the platform with."""

import argparse
import os
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace

from orchestration import processes
from warehouse.settings import Settings


def up(arguments: argparse.Namespace, settings: Settings) -> int:
    """Start all servers, print where they answer, and stop them all on Ctrl-C."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with ExitStack() as stack:
        running = [stack.enter_context(processes.start(server, settings)) for server in processes.servers(settings)]
        for one in running:
            print(f"  starting {one.server.name} ...", file=sys.stderr, flush=True)
            one.wait_ready()
        print("\n".join(_line(one.server) for one in running if one.server.url), flush=True)
        print("Ctrl-C stops them all.", flush=True)
        while not stopping.wait(1):
            for one in running:
                one.check_alive()
        print("stopping ...", file=sys.stderr, flush=True)
    return 0


def _line(server: processes.Server) -> str:
    return f"{server.name:<10} {server.url:<24} {server.look_at}"


def serve(arguments: argparse.Namespace, settings: Settings) -> int:
    """Become one server; containers use it, so that their commands are those of `lending up`."""
    by_name = {server.name: server for server in processes.servers(settings)}
    server = by_name[arguments.server]
    os.execve(server.command[0], server.command, {**settings.process_environment(), **server.variables})  # noqa: S606


def feast(arguments: argparse.Namespace, settings: Settings) -> int:
    """Become Feast's own command on our definitions, with the stores and the registry of these settings."""
    from features.feast_config import run_feast

    run_feast(settings, arguments.arguments)


def key(arguments: argparse.Namespace, settings: Settings) -> int:
    """Make an API key: it is printed once, its digest is added to the ones that this home remembers."""
    from serving.auth import new_key

    made, digest = new_key()
    replace(settings, api_key_sha256=(*settings.api_key_sha256, digest)).remember("LENDING_API_KEY_SHA256")
    print(made)
    print("only its hash is stored; start the endpoint again to use it", file=sys.stderr)
    return 0


def simulate(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write the deliveries of a generated lender; one that is not plausible is an error, its files stay for inspection."""
    from warehouse.simulate import simulate as generate
    from warehouse.simulate.ceiling import ceiling

    result = generate(arguments.profile, arguments.seed, arguments.out, progress=_progress)
    print(result.card)
    result.card.check()
    if result.profile.single_contract:
        print(ceiling(result.profile, arguments.seed, out=result.truth / "ceiling.parquet", progress=_progress))
    return 0


def adapt(arguments: argparse.Namespace, settings: Settings) -> int:
    """Turn a public data set into a delivery."""
    from warehouse.adapters.berka import berka_delivery

    print(berka_delivery(arguments.source, arguments.out))
    return 0


def _progress(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)
