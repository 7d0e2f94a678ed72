"""From source files to marts; knows nothing of machine learning."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.settings import Settings
    from warehouse.warehouse import Warehouse


def open_warehouse(settings: "Settings | None" = None) -> "Warehouse":
    """Open the published tables for reading: `open_warehouse().table("marts.portfolio_by_region_month")`.

    Args:
        settings: of the lake; None reads the environment (LENDING_HOME).
    """
    from warehouse.warehouse import open_warehouse as open_  # ibis and pyiceberg take seconds to import

    return open_(settings)


__all__ = ["open_warehouse"]
