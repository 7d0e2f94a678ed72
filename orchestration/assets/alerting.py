"""The asset of the alerts: what is open, and whether everybody was told. Materializing it sends again what no address took."""

import dagster as dg

from orchestration.alerts import ALERT, AlertBook
from orchestration.checks import key
from orchestration.resources import Platform
from orchestration.watch import SENT_CHECK, alert_metadata, sent_result


@dg.asset(
    key=key(ALERT),
    group_name="alerts",
    description=ALERT.description,
    check_specs=[dg.AssetCheckSpec(SENT_CHECK, asset=key(ALERT), description="Every alert was taken by every address it goes to.")],
)
def alert(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Send what is unsent, whenever it was tried last."""
    book = AlertBook(platform.lake, platform.settings)
    left = book.dispatch()
    context.log.info(f"alerts: {len(book.open())} open, {left} unsent")
    return dg.MaterializeResult(metadata=alert_metadata(book), check_results=[sent_result(book)])
