"""Source contract of regions: regions in which clients live."""

from warehouse.sources.contract import FIRST, SourceColumn, SourceTable

REGIONS = SourceTable(
    name="regions",
    description="Regions in which clients live.",
    key=("region_id",),
    columns=(
        SourceColumn("region_id", "text", "Region key.", required=True, filled=True),
        SourceColumn("region_name", "text", "Name for people.", required=True, filled=True),
        SourceColumn("parent_region_id", "text", "Region above it."),
        SourceColumn("region_level", "text", "Level name, such as province."),
        SourceColumn("successor_region_id", "text", "Region that took this one over in a merger."),
    ),
    versions=(FIRST,),
)
