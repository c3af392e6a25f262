"""Triton programs for the GPU."""
