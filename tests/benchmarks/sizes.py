"""How large each stage is on a profile, and how long it may take.

A stage that needs the built book takes the largest one that fits into the time: the profile's own calendar with fewer clients.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Sizes of one profile.

    Attributes:
        book_clients: clients of the book that is ingested and built; smaller ones are tried if that is not finished in time.
        smaller_books: clients of the books that are tried then.
        feature_rows: rows of the generated feature files.
        entity_rows: questions put to them.
        stock_entity_rows: questions put to stock Feast where it holds every earlier version of a key at once.
        online_clients: clients written by the platform's publisher.
        stock_clients: clients written by stock Feast, and read through Feast's SDK.
        requests: requests to the scoring endpoint, a kind.
        repeats: runs of everything that can be run again.
        limit_seconds: of the whole benchmark.
    """

    book_clients: int
    smaller_books: tuple[int, ...]
    feature_rows: int
    entity_rows: int
    stock_entity_rows: int
    online_clients: int
    stock_clients: int
    requests: int = 300
    repeats: int = 3
    limit_seconds: int = 870
    simulate_seconds: int = 150
    ingest_seconds: int = 120
    build_seconds: int = 300
    stage_seconds: int = 120


SIZES: dict[str, Sizes] = {
    "tiny": Sizes(
        book_clients=200,
        smaller_books=(),
        feature_rows=100_000,
        entity_rows=10_000,
        stock_entity_rows=1_000,
        online_clients=5_000,
        stock_clients=500,
        requests=30,
    ),
    "small": Sizes(
        book_clients=20_000,
        smaller_books=(2_000,),
        feature_rows=1_000_000,
        entity_rows=100_000,
        stock_entity_rows=20_000,
        online_clients=100_000,
        stock_clients=10_000,
    ),
    "mid": Sizes(
        book_clients=20_000,
        smaller_books=(2_000,),
        feature_rows=10_000_000,
        entity_rows=1_000_000,
        stock_entity_rows=100_000,
        online_clients=1_000_000,
        stock_clients=10_000,
    ),
    "bench": Sizes(
        book_clients=1_000_000,
        smaller_books=(200_000, 20_000),
        feature_rows=10_000_000,
        entity_rows=1_000_000,
        stock_entity_rows=1_000_000,
        online_clients=1_000_000,
        stock_clients=100_000,
        limit_seconds=6 * 3600,
        simulate_seconds=1800,
        ingest_seconds=3600,
        build_seconds=7200,
        stage_seconds=1200,
    ),
}


def sizes_of(profile: str) -> Sizes:
    """Sizes of a profile.

    Raises:
        ValueError: the benchmark has no sizes for it.
    """
    if profile not in SIZES:
        raise ValueError(f"profile {profile!r} cannot be benchmarked; there are {', '.join(SIZES)}")
    return SIZES[profile]
