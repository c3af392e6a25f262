"""Compare sequences with sequences by their best monotone alignment, and learn to.

Read it in this order; each file needs only the ones before it:

    sequences            padded sequences, pairs of them
    costs                embeddings -> cost matrix
    alignment/_kernels/reference  the recursion, as printed in the paper
    alignment/soft_dtw   cost matrix -> value and expected alignment
    negatives            wrong orders: shuffles, and drawing them
    encoders             features -> embeddings
    losses/units, order  match units with units, sequences with sequences
    losses/model         TempCLR: encoders and both losses
    training/loop        the loop; what it is made of is beside it
    metrics, pairwise    ranks and intervals; all pairs
    tasks/retrieval      a paragraph finds its video
    tasks/localization   a step finds its clip
    tasks/few_shot       a video finds its class
"""

from tempclr import losses as losses
from tempclr import negatives as negatives
from tempclr.alignment import alignment_of as alignment_of
from tempclr.alignment import drop_dtw as drop_dtw
from tempclr.alignment import dtw as dtw
from tempclr.alignment import dtw_path as dtw_path
from tempclr.alignment import expected_alignment as expected_alignment
from tempclr.alignment import otam as otam
from tempclr.alignment import path_of as path_of
from tempclr.alignment import smooth_dtw as smooth_dtw
from tempclr.alignment import soft_dtw as soft_dtw
from tempclr.alignment import soft_dtw_divergence as soft_dtw_divergence
from tempclr.alignment import subsequence_dtw as subsequence_dtw
from tempclr.costs import cosine_cost as cosine_cost
from tempclr.costs import squared_cost as squared_cost
from tempclr.losses import TempCLR as TempCLR
from tempclr.sequences import Pair as Pair
from tempclr.training.loop import StepRecord as StepRecord
from tempclr.training.loop import TrainConfig as TrainConfig
from tempclr.training.loop import train as train

__version__ = "0.1.0"
