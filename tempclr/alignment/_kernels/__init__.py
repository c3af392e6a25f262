"""The one dynamic programme behind every alignment, and the programs that compute it.

recursion    what varies between alignments: moves, minimum, open ends
band         Sakoe & Chiba's band
reference    cell by cell, as printed in the papers: the judge
choose       which kernel computes an alignment
diagonals    PyTorch, on any device
grid         where the diagonals lie
cpu/         numba, on the CPU
gpu/         Triton, on the GPU
"""
