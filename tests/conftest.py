import pytest
import torch


@pytest.fixture
def generator() -> torch.Generator:
    """A fresh source of randomness, the same in every test."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _two_threads() -> None:
    torch.set_num_threads(2)
