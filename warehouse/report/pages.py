"""The pages of the report: their names, filters, tiles, charts and tables, in the order in which a person reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

from warehouse.report.charts.collecting import COLLECTING
from warehouse.report.charts.frame import Figure
from warehouse.report.charts.overview import OVERVIEW
from warehouse.report.charts.quality import QUALITY
from warehouse.report.charts.regions import REGIONS
from warehouse.report.charts.restated import RESTATED
from warehouse.report.charts.risk import RISK
from warehouse.report.measures import RISK_TILES, TILES


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        name: of its file, without the suffix.
        title: in the navigation.
        text: what the page answers.
        filters: of its filter bar.
        figures: its charts.
        tiles: names of the key figures that it begins with.
        lacking: what to do when the release does not hold what it needs.
    """

    name: str
    title: str
    text: str
    filters: tuple[str, ...]
    figures: Sequence[Figure] = ()
    tiles: tuple[str, ...] = ()
    lacking: str = "This release was built before this figure existed; run lending build --force to build it again."


KEY_FIGURES = tuple(pair[0].name for pair in TILES)
COMMON = ("month", "product", "within", "attribution", "measure")
NO_SCORES = "No scores in this release yet: run lending train, lending promote and lending score --all, then lending report."
PAGES = (
    Page(
        "index",
        "Overview",
        "How large is the book, how much of it is at risk, and is it getting better or worse?",
        COMMON,
        OVERVIEW,
        KEY_FIGURES,
    ),
    Page(
        "regions",
        "Regions",
        "Where is the book, and which regions pay worse, with how much certainty and since when?",
        ("month", "product", "within", "level", "attribution", "measure", "rate"),
        REGIONS,
    ),
    Page(
        "quality",
        "Book quality",
        "How do cohorts turn bad with age, and how do contracts move between buckets of days past due?",
        ("month", "product", "within", "measure", "vintage"),
        QUALITY,
    ),
    Page(
        "collections",
        "Collections",
        "What fell due, what came in, how was it paid, and what was lost?",
        COMMON,
        COLLECTING,
        ("collection", "late", "early_settled", "written_off", "penalties"),
    ),
    Page(
        "risk",
        "Default risk",
        "Which clients are likely to default within twelve months, in which regions and products?",
        ("product", "within", "level", "measure"),
        RISK,
        tuple(pair[0].name for pair in RISK_TILES),
        lacking=NO_SCORES,
    ),
    Page(
        "health",
        "Data health",
        "How fresh and how clean is the data, and which reported figures changed since?",
        ("product", "within", "restated"),
        RESTATED,
    ),
)
