"""ParquetSource: a Feast data source that names a table; a resolver turns the name into Parquet files or an Ibis table when it is read.

A table of a lake has no path of its own: which files it consists of depends on the snapshot that a reader pins. So the registry keeps the
name, and the offline store's configuration says who resolves it.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from feast.data_source import DataSource
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.repo_config import RepoConfig
from feast.type_map import pa_to_feast_value_type
from feast.value_type import ValueType


class ParquetSource(DataSource):
    """A named table of feature rows.

    Attributes:
        table: the name that the resolver knows.
        one_row_per_key_and_time: the writer's promise that no two rows have the same keys and event time, and that every row is known
            at its event time. Retrieval then needs no search for the newest of several; without the promise it makes that search.
    """

    def __init__(
        self,
        *,
        table: str,
        timestamp_field: str,
        created_timestamp_column: str = "",
        one_row_per_key_and_time: bool = False,
        name: str = "",
        field_mapping: dict[str, str] | None = None,
        description: str = "",
        tags: dict[str, str] | None = None,
        owner: str = "",
    ) -> None:
        """Declare the source; the name defaults to the table."""
        super().__init__(
            name=name or table,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            field_mapping=field_mapping,
            description=description,
            tags=tags,
            owner=owner,
        )
        self.table = table
        self.one_row_per_key_and_time = one_row_per_key_and_time

    def __eq__(self, other: object) -> bool:
        """Whether both declare the same source."""
        if not isinstance(other, ParquetSource):
            return False
        mine, theirs = (self.table, self.one_row_per_key_and_time), (other.table, other.one_row_per_key_and_time)
        return bool(super().__eq__(other)) and mine == theirs

    def __hash__(self) -> int:
        """Feast keeps sources in sets."""
        return super().__hash__()

    def source_type(self) -> Any:
        """Feast has no type of its own for sources of plugins."""
        return DataSourceProto.CUSTOM_SOURCE

    @staticmethod
    def from_proto(data_source: DataSourceProto) -> "ParquetSource":
        """Read the source from the registry."""
        options = json.loads(data_source.custom_options.configuration)
        return ParquetSource(
            **options,
            name=data_source.name,
            timestamp_field=data_source.timestamp_field,
            created_timestamp_column=data_source.created_timestamp_column,
            field_mapping=dict(data_source.field_mapping),
            description=data_source.description,
            tags=dict(data_source.tags),
            owner=data_source.owner,
        )

    def _to_proto_impl(self) -> DataSourceProto:
        options = {"table": self.table, "one_row_per_key_and_time": self.one_row_per_key_and_time}
        return DataSourceProto(
            name=self.name,
            type=DataSourceProto.CUSTOM_SOURCE,
            data_source_class_type=f"{type(self).__module__}.{type(self).__qualname__}",
            custom_options=DataSourceProto.CustomSourceOptions(configuration=json.dumps(options).encode()),
            timestamp_field=self.timestamp_field,
            created_timestamp_column=self.created_timestamp_column,
            field_mapping=self.field_mapping,
            description=self.description,
            tags=self.tags,
            owner=self.owner,
        )

    def validate(self, config: RepoConfig) -> None:
        """Accept the source unread: definitions are registered before the first table is published."""

    @staticmethod
    def source_datatype_to_feast_value_type() -> Callable[[str], ValueType]:
        """Feast types of Arrow type names."""
        return pa_to_feast_value_type

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[tuple[str, str]]:
        """Names and Arrow types of the columns, for views that do not declare them."""
        from features.offline_store import source_table

        schema = source_table(config, self).schema().to_pyarrow()
        return [(field.name, str(field.type)) for field in schema]
