"""The region hierarchy as the report shows it: of each region the labels at every level, the top one first.

Names may repeat (a merged province keeps the name of an old one), so a repeated label carries the region's id.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from warehouse.terms import UNKNOWN

MOST_REGIONS = 250  # of the lowest level: ten thousand communes make no chart, and a page that no browser likes


class Regions(NamedTuple):
    """Labels of regions by level.

    Attributes:
        levels: titles of the levels, from the top.
        labels: region_id to its label at every level; a region that ends higher up repeats its own label below.
        tops: region_id to the id of its region at the top level.
        lowest: region_id to the id of its region at the lowest level that is shown.
    """

    levels: tuple[str, ...]
    labels: dict[str, tuple[str, ...]]
    tops: dict[str, str]
    lowest: dict[str, str]


def regions(rows: Sequence[Mapping[str, Any]], used: Iterable[str]) -> Regions:
    """The hierarchy above the regions that the marts name.

    Args:
        rows: of curated.dim_region; of each region the last version counts.
        used: ids of the regions that occur in the marts.
    """
    last = {row["region_id"]: row for row in sorted(rows, key=lambda row: row["valid_from"])}
    used = sorted(set(used))
    chains = {region_id: _chain(region_id, last) for region_id in used}
    roots = _shared_roots([chain for region_id, chain in chains.items() if region_id in last and region_id != UNKNOWN])
    chains = {region_id: _below(chain, roots) for region_id, chain in chains.items()}
    depth = _shown_depth(chains.values())
    shown = {region_id: chain[:depth] for region_id, chain in chains.items()}
    shown |= {chain[0]: chain[:1] for chain in chains.values() if chain[0] not in shown}  # rows summed at the top
    shown |= {chain[-1]: chain for chain in [*shown.values()] if chain[-1] not in shown}  # and at the lowest level
    names = _unique_names({member for chain in shown.values() for member in chain}, last)
    padded = {region_id: (*chain, *([chain[-1]] * (depth - len(chain)))) for region_id, chain in shown.items()}
    return Regions(
        levels=tuple(_level_title(place, padded.values(), last, depth) for place in range(depth)),
        labels={region_id: tuple(names[member] for member in chain) for region_id, chain in padded.items()},
        tops={region_id: chain[0] for region_id, chain in padded.items()},
        lowest={region_id: chain[-1] for region_id, chain in padded.items()},
    )


def _shown_depth(chains: Collection[tuple[str, ...]]) -> int:
    """How many levels are shown: all, unless the lowest ones have more regions than a chart can show."""
    depth = max((len(chain) for chain in chains), default=1)
    while depth > 1 and len({chain[:depth] for chain in chains}) > MOST_REGIONS:
        depth -= 1
    return depth


def _chain(region_id: str, last: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Ids from the root to the region; a parent that is missing or that closes a circle ends it."""
    chain = [region_id]
    while (parent := last.get(chain[0], {}).get("parent_region_id")) and parent in last and parent not in chain:
        chain.insert(0, parent)
    return tuple(chain)


def _shared_roots(chains: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Ids above all regions, such as the country's: levels of one member would show nothing."""
    shared = 0
    while len(chains) > 1 and all(len(chain) > shared + 1 and chain[shared] == chains[0][shared] for chain in chains):
        shared += 1
    return chains[0][:shared] if shared else ()


def _below(chain: tuple[str, ...], roots: tuple[str, ...]) -> tuple[str, ...]:
    return chain[len(roots) :] if roots and chain[: len(roots)] == roots and len(chain) > len(roots) else chain


def _unique_names(ids: Iterable[str], last: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    names = {region_id: last.get(region_id, {}).get("region_name") or region_id for region_id in ids}
    times = Counter(names.values())
    return {region_id: name if times[name] == 1 else f"{name} ({region_id})" for region_id, name in names.items()}


def _level_title(place: int, chains: Iterable[tuple[str, ...]], last: Mapping[str, Mapping[str, Any]], depth: int) -> str:
    """What most regions at a level are called, such as Province."""
    if depth == 1:
        return "Region"
    found = (last.get(chain[place], {}).get("region_level") for chain in chains)
    called = Counter(level for level in found if level)
    return called.most_common(1)[0][0].replace("_", " ").capitalize() if called else f"Level {place + 1}"
