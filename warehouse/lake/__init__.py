"""Iceberg tables: stage, audit, publish, release, pin, roll back. The only place that imports pyiceberg."""
