"""Fixtures of the serving tests."""

import pytest

from serving.bundle import Bundle, load_bundle
from tests.serving.bundles import write_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Bundle:
    """A verified model of three features, all of which raise the risk."""
    return load_bundle(write_bundle(tmp_path_factory.mktemp("bundles")))
