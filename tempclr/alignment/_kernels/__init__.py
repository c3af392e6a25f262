"""The one recursion behind every alignment, and the kernels that compute it.

recursion    what varies between alignments: moves, minimum, open ends
band         Sakoe & Chiba's band
reference    cell by cell, as printed in the papers; tests compare the kernels with it
choose       which kernel computes an alignment
diagonals    PyTorch, on any device
grid         where the diagonals lie
cpu/         numba, on the CPU
gpu/         Triton, on the GPU
"""
