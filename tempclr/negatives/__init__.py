"""Wrong orders of sequences, as indices.

A negative is an order, not a tensor: `sequence[order]` is the shuffled sequence, and
while steps are encoded one by one, permuting the columns of a cost matrix is the same as
shuffling the sequence, so nothing is encoded twice.

`wrong_orders` draws them for a whole batch at once. What a wrong order is says a *shuffle*, passed in:

    permute_segments   segments change places (coarse); of a paragraph, its sentences
    permute_clips      clips change places inside their segment (fine)
    permute_both       segments do, and in some of the orders also the clips inside (the paper's two)
    reverse            everything runs backwards
    swap_neighbours    neighbouring segments change places (hard)
    move_blocks        a block of segments moves elsewhere
    mixture            each order by one of several shuffles

It proposes more orders than are wanted, for all sequences in one draw; those that give the true sequence, or the
same one twice, are left out. Nothing is listed, nothing loops over videos.
"""

from tempclr.negatives.layout import Layout as Layout
from tempclr.negatives.layout import even_segments as even_segments
from tempclr.negatives.orders import Orders as Orders
from tempclr.negatives.orders import contents_of as contents_of
from tempclr.negatives.orders import shuffled_orders as shuffled_orders
from tempclr.negatives.orders import wrong_orders as wrong_orders
from tempclr.negatives.shuffles import Proposal as Proposal
from tempclr.negatives.shuffles import Shuffle as Shuffle
from tempclr.negatives.shuffles import mixture as mixture
from tempclr.negatives.shuffles import move_blocks as move_blocks
from tempclr.negatives.shuffles import permute_both as permute_both
from tempclr.negatives.shuffles import permute_clips as permute_clips
from tempclr.negatives.shuffles import permute_segments as permute_segments
from tempclr.negatives.shuffles import reverse as reverse
from tempclr.negatives.shuffles import swap_neighbours as swap_neighbours
