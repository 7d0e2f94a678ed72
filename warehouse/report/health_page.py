"""The page on data health as HTML: static tables, since no filter acts on them."""

from warehouse.lake import Release
from warehouse.report import html
from warehouse.report.health import LAST_FILES
from warehouse.report.read import Data

OUTCOMES = ("rows_in", "accepted", "duplicate", "quarantined", "parked", "rejected")


def health_cards(data: Data, release: Release) -> tuple[str, str]:
    """The cards before the charts of the page, and those after."""
    return _release(release) + _quarantine(data) + _freshness(data, release), _files(data)


def _release(release: Release) -> str:
    rows = [
        ("Release", release.release_id),
        ("Business date", release.business_date),
        ("Published", f"{release.created_at:%Y-%m-%d %H:%M} UTC"),
        ("Built from intake", release.intake),
        ("Tables", len(release.tables)),
        ("Note", release.note),
    ]
    text = "What all pages of this report show. Deliveries and quarantine below are as they stood when the report was written."
    return html.section("Release", text, html.table([("What", False), ("Value", False)], [(name, str(value)) for name, value in rows]))


def _freshness(data: Data, release: Release) -> str:
    if "freshness" not in data.datasets:
        return html.section("Freshness", "No delivery yet; run lending ingest PATH --business-date D.", "")
    rows = []
    for row in data.datasets["freshness"].to_pylist():
        last = row["last_business_date"]
        behind = "never taken" if last is None else max(0, (release.business_date - last).days)
        rows.append((row["table_name"], last, behind, row["files"], *(row[name] for name in OUTCOMES)))
    names = [
        ("Source", False),
        ("Last delivered", False),
        ("Days behind", True),
        ("Files", True),
        *((_words(name), True) for name in OUTCOMES),
    ]
    text = (
        "Of each source the last business date that was taken, its distance from the release, and what became of all rows ever delivered."
    )
    return html.section("Freshness of the sources", text, html.table(names, rows), wide=True)


def _quarantine(data: Data) -> str:
    title = "Rows that broke a rule"
    rows = data.datasets["quarantine"].to_pylist() if "quarantine" in data.datasets else []
    if not rows:
        return html.section(title, "No delivered row broke a rule.", "")
    names = [("Source", False), ("Rule", False), ("Severity", False), ("Entries", True), ("Escalated", True)]
    shown = [(row["table_name"], row["rule"], row["severity"], row["row_count"], row["escalated_count"]) for row in rows]
    text = "By table and rule: reject keeps a row out, park lets it wait for another, warn takes it. See lending quarantine list."
    return html.section(title, text, html.table(names, shown))


def _files(data: Data) -> str:
    if "files" not in data.datasets:
        return ""
    names = [("Delivery", True), ("Business date", False), ("File", False), ("Status", False), *((_words(name), True) for name in OUTCOMES)]
    rows = [
        (row["delivery_seq"], row["business_date"], row["source_file"], row["status"], *(row[name] for name in OUTCOMES))
        for row in data.datasets["files"].to_pylist()
    ]
    return html.section(f"Last {LAST_FILES} files", "The delivery ledger, newest first.", html.table(names, rows), wide=True)


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
