"""What every example in a docstring may use."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _names_of_examples(doctest_namespace: dict) -> None:
    """What the examples in docstrings may use without importing it."""
    doctest_namespace["torch"] = torch
