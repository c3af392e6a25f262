"""The one dynamic programme behind every alignment, and the programs that compute it."""
