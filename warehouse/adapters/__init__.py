"""Adapters: public data sets turned into deliveries of the source contract."""
