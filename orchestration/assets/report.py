"""The asset of the portfolio report: pages for management, from the marts of a release."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from orchestration.assets.warehouse import RELEASE
from orchestration.checks import key
from orchestration.resources import Platform
from warehouse.marts import CLIENT_DEFAULT_RISK
from warehouse.warehouse import Warehouse

REPORT = dg.AssetKey(["report", "portfolio"])


class ReportConfig(dg.Config):
    """Where the pages go, by default reports/portfolio of the home, and which release they show, by default the current one."""

    out: str | None = None
    release_id: int | None = None


@dg.asset(
    key=REPORT,
    deps=[RELEASE, key(CLIENT_DEFAULT_RISK)],
    group_name="report",
    description="The portfolio report: HTML pages that open without a network.",
)
def portfolio_report(context: dg.AssetExecutionContext, config: ReportConfig, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Write the pages, and the page that links all reports."""
    from warehouse.report.index import write_index  # here, because the chart library takes a second to load
    from warehouse.report.write import FOLDER, write_report

    settings = platform.settings
    folder = Path(config.out) if config.out else settings.reports / FOLDER
    report = write_report(Warehouse(platform.lake, config.release_id), folder, settings.terms.currency, datetime.now(UTC))
    write_index(settings.reports)
    context.log.info(f"portfolio report of release {report.release.release_id}: {report.pages[0]}")
    return dg.MaterializeResult(
        metadata={
            "page": dg.MetadataValue.path(str(report.pages[0])),
            "release_id": report.release.release_id,
            "business_date": report.release.business_date.isoformat(),
            "pages": len(report.pages),
        }
    )
