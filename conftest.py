"""What every test and every example in a docstring may use."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported; several tests run at a time

import torch

if not torch.cuda.is_available():
    # read when Triton's programs are imported: they run without a GPU, in its interpreter
    os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(autouse=True)
def _names_of_examples(doctest_namespace: dict) -> None:
    """Names that examples in docstrings may use without importing them."""
    doctest_namespace["torch"] = torch
