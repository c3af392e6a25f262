"""Cost matrix in; value, expected alignment and path out."""

from tempclr.alignment.dtw import dtw as dtw
from tempclr.alignment.dtw import dtw_path as dtw_path
from tempclr.alignment.soft_dtw import expected_alignment as expected_alignment
from tempclr.alignment.soft_dtw import soft_dtw as soft_dtw
