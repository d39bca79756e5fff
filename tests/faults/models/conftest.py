"""Models to fetch, and servers that have them."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.model_downloads import NAME
from tests.model_mirrors import Mirror
from tests.models import wired_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return wired_model(tmp_path_factory.mktemp("model") / "a.bin").read_bytes()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A model of another size."""
    return wired_model(tmp_path_factory.mktemp("model") / "b.bin", encoder_layers=2).read_bytes()


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory, model: bytes) -> bytes:
    """Another model of the same size."""
    data = wired_model(tmp_path_factory.mktemp("model") / "c.bin", language="fr").read_bytes()
    assert len(data) == len(model)
    assert data != model
    return data


@pytest.fixture
def mirror(model: bytes) -> Generator[Mirror]:
    with Mirror({"/" + NAME: model}) as mirror:
        yield mirror


@pytest.fixture
def second(model: bytes) -> Generator[Mirror]:
    with Mirror({"/" + NAME: model}) as mirror:
        yield mirror


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"
