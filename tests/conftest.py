from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch
from hypothesis import settings

settings.register_profile("laws", max_examples=40, deadline=None, derandomize=True)
settings.load_profile("laws")


@pytest.fixture
def generator() -> torch.Generator:
    """A fresh source of randomness, the same in every test."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache that only these tests use, shared between them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPCLR_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).parent.parent


def _without_checks() -> Iterator[None]:
    """Shapes in signatures are not executed, as in production: what a function refuses by itself is seen."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


unchecked_shapes = pytest.fixture(_without_checks, name="unchecked_shapes")
unchecked_shapes_of_module = pytest.fixture(_without_checks, scope="module", name="unchecked_shapes_of_module")


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views without a browser keep what they send."""
    from recording import RecordingComm

    monkeypatch.setattr("comm.create_comm", RecordingComm)
