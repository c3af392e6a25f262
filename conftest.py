"""What every test and every example in a docstring may use."""

import os

import pytest
import torch

if not torch.cuda.is_available():
    # read when Triton's programs are imported: they run without a GPU, in its interpreter
    os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(autouse=True)
def _names_of_examples(doctest_namespace: dict) -> None:
    """What the examples in docstrings may use without importing it."""
    doctest_namespace["torch"] = torch
