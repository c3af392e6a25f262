"""Alignment functions: cost matrices in, values, expected alignments and paths out."""

from tempclr.alignment.divergence import soft_dtw_divergence as soft_dtw_divergence
from tempclr.alignment.drop_costs import DropCost as DropCost
from tempclr.alignment.drop_costs import LearntDropCost as LearntDropCost
from tempclr.alignment.drop_costs import percentile as percentile
from tempclr.alignment.drop_dtw import drop_dtw as drop_dtw
from tempclr.alignment.dtw import dtw as dtw
from tempclr.alignment.dtw import dtw_path as dtw_path
from tempclr.alignment.otam import otam as otam
from tempclr.alignment.segment_dtw import segment_dtw as segment_dtw
from tempclr.alignment.smooth_dtw import smooth_dtw as smooth_dtw
from tempclr.alignment.soft_dtw import expected_alignment as expected_alignment
from tempclr.alignment.soft_dtw import soft_dtw as soft_dtw
from tempclr.alignment.subsequence import subsequence_dtw as subsequence_dtw
from tempclr.alignment.visits import AlignmentFn as AlignmentFn
from tempclr.alignment.visits import aligned_steps as aligned_steps
from tempclr.alignment.visits import alignment_of as alignment_of
from tempclr.alignment.visits import path_of as path_of
