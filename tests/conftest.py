"""Fixtures that all tests share, and the order in which files run."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch
from hypothesis import settings

LONG = {"kernel": 10, "browser": 3, "slow": 1}  # marks that `make quick` leaves out, and about how long such tests take

settings.register_profile("laws", max_examples=40, deadline=None, derandomize=True)
settings.load_profile("laws")


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that open a page, and begin with the files of long tests, so that none is left for the end."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
    long = Counter()
    for item in items:
        long[item.path] += max((LONG.get(mark.name, 0) for mark in item.iter_markers()), default=0)
    items.sort(key=lambda item: -long[item.path])


@pytest.fixture
def generator() -> torch.Generator:
    """A fresh source of randomness, the same in every test."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Compute on one thread: faster for small tensors, and the same to the last bit on every machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the cache apart from the user's. Workers share one: its files are locked while they are written."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all workers
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPCLR_CACHE", str(folder / "cache"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(autouse=True)
def _kernels_are_marked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that starts a kernel without the mark by which `make quick` leaves it out."""

    async def refuse(*_: object, **__: object) -> None:
        pytest.fail("expected @pytest.mark.kernel on a test that executes a notebook")

    if not any(mark.name in LONG for mark in request.node.iter_markers()):
        monkeypatch.setattr("jupyter_client.manager.AsyncKernelManager.start_kernel", refuse)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).parent.parent


def _without_checks() -> Iterator[None]:
    """Do not check shapes in signatures, as in production, to see what a function refuses by itself."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


unchecked_shapes = pytest.fixture(_without_checks, name="unchecked_shapes")
unchecked_shapes_of_module = pytest.fixture(_without_checks, scope="module", name="unchecked_shapes_of_module")


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what views send, without a browser."""
    from recording import RecordingComm

    monkeypatch.setattr("comm.create_comm", RecordingComm)
