"""Compare sequences by their best monotone alignment, and train encoders with it.

Read the method in this order; each file imports, of those listed here, only files above it:

    costs                          embeddings -> cost matrix
    alignment/_kernels/recursion   the dynamic programme behind every alignment, and what varies in it
    alignment/_kernels/reference   the recursion cell by cell, as printed in the papers
    alignment/soft_dtw             cost matrix -> distance and expected alignment
    negatives/shuffles             what a wrong order is: segments permuted, or the clips inside
    encoders/encode                per-step and contextual encoders
    losses/units                   the unit term: each clip with its sentence
    losses/contrast                InfoNCE over distances
    losses/order                   the order loss: true order against wrong ones
    losses/_sides                  sentences and clips, shuffled and encoded in every order
    losses/order_term              the order term: what is contrasted with what
    losses/model                   TempCLR: two encoders and both terms

Everything else that they import can be taken on trust:

    sequences                      padded sequences, pairs of them, checked
    alignment/_inputs              checks, and the fast kernels, each of which equals the reference
    alignment/visits               the gradient of a distance, read as its alignment
    pairwise                       all pairs within a memory budget
    negatives/layout               index arithmetic of segments
    negatives/orders               sampling of wrong orders that are all different
    encoders/_per_step             a check that a per-step encoder mixes no steps
    losses/_selection              sampling of sentences and clips, evenly spaced
    losses/assignment              the sentences of clips whose sentence is unknown
    losses/_gather                 the batches of several processes joined into one
    losses/_stable_repr            settings as text
    losses/distances               an alignment function with x and y exchanged
    losses/schedule                the weight as a function of progress
    losses/temperature             a learnt temperature
    _util/precision                single precision under mixed precision

The whole method is also in one file without the package, examples/one_file.py. `training/loop` trains the model;
`tasks/` evaluates it.
"""

import lazy_loader

# The names are in __init__.pyi. Each is imported when it is first used, which keeps `import tempclr` fast.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
