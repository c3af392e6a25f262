"""Compiled loops (numba) for the CPU."""
