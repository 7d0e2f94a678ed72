"""docs/features.md: what every feature is, generated from the declarations.

The text of a feature is written once, in its declaration; this page only arranges it.
"""

from collections.abc import Mapping, Sequence

from features.declare import DOCS_HEADER, Feature, docs_row
from features.on_demand import LOAN_REQUEST
from features.region import CLIENT_REGION
from features.tables import CLIENT_REPAYMENT
from warehouse.catalog import GENERATED

VIEWS: Mapping[str, Sequence[Feature]] = {"client_repayment": CLIENT_REPAYMENT, "client_region": CLIENT_REGION}

INTRODUCTION = """\
A feature is a value of one client as of a date T, by what was known at the end of T. A window of W months holds the events after its
start and up to T; it is cut by due date, or by the day of the event for repayments, settlements and penalties. Days late are negative
where an installment was settled before its due date. Sign: `+` means that a greater value can only raise the predicted risk, `-` that it
can only lower it, `0` that it may do either. `never (0)` means that the value is never missing and is 0 when there is nothing to count."""

REQUESTED = """\
On-demand features of a loan that a client asks for, computed with the request from `requested_amount`, `requested_tenor_months`,
`requested_product_type` and the client's row; the same code in training and serving. Service `loan_request_v1` gives them with the features
of the client. What is not above 0 asks for nothing; names of types are compared without case, spaces and hyphens."""


def features_page(views: Mapping[str, Sequence[Feature]] = VIEWS) -> str:
    """The Markdown page of all features.

    Args:
        views: declarations per Feast feature view, in the order of the columns.
    """
    lines = [GENERATED, "", "# Features", "", INTRODUCTION, ""]
    for view, features in views.items():
        lines += [f"## {view}", "", f"{len(features)} features, by subject.", ""]
        for subject, group in _by_subject(features).items():
            lines += [f"### {subject.capitalize()}", "", *DOCS_HEADER, *map(docs_row, group), ""]
        lines += [f"### Reason codes of {view}", "", *_reasons(features), ""]
    lines += ["## loan_request", "", REQUESTED, "", *DOCS_HEADER, *map(docs_row, LOAN_REQUEST), ""]
    lines += ["### Reason codes of loan_request", "", *_reasons(LOAN_REQUEST), ""]
    return "\n".join(lines).rstrip() + "\n"


def _by_subject(features: Sequence[Feature]) -> dict[str, list[Feature]]:
    """Features by what they are about, in the order of the columns."""
    groups: dict[str, list[Feature]] = {}
    for feature in features:
        groups.setdefault(feature.subject, []).append(feature)
    return groups


def _reasons(features: Sequence[Feature]) -> list[str]:
    """The sentences that clients read, by code."""
    rows = [f"| `{feature.code}` | `{feature.name}` | {feature.reason} |" for feature in sorted(features, key=lambda f: f.code)]
    return ["| Code | Feature | What the client reads |", "|---|---|---|", *rows]
