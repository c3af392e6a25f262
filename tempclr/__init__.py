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

import lazy_loader

# The names are in __init__.pyi. Each is imported when it is first used, so that `import tempclr` waits for nothing.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
