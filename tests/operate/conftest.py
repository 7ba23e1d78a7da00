"""The image that the pods of all tests run."""

from pathlib import Path

import pytest

from image import assemble
from paths import BINARY


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's files, with the binary that the other parts test."""
    assert BINARY.exists(), "cargo build comes before"
    return assemble(tmp_path_factory.mktemp("image"), BINARY)
