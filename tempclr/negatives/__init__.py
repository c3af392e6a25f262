"""Wrong orders of sequences, as indices.

A negative is an order, not a tensor: `sequence[order]` is the shuffled sequence. If each step is
encoded by itself, permuting the columns of a cost matrix has the same effect as shuffling the
sequence, so nothing is encoded twice.

`wrong_orders` draws orders for a whole batch at once. The *shuffle* passed to it says what a wrong order is:

    permute_segments   segments change places (coarse); in a paragraph, sentences do
    permute_clips      clips change places inside their segment (fine)
    permute_both       segments change places and, in some orders, clips inside them too (as in the paper)
    reverse            all clips run backwards
    swap_neighbours    neighbouring segments change places (hard)
    move_one           one segment moves elsewhere
    move_blocks        a block of segments moves elsewhere
    mixture            each order by one of several shuffles

A shuffle proposes more orders than are wanted, for all sequences in one draw. Orders that give the true sequence,
or the same sequence again, are discarded. No orders are enumerated, and no code loops over videos.

Other steps, rather than another order, come from `leave_out` and `put_in`, for one sequence at a time.
"""

from tempclr.negatives.edits import leave_out as leave_out
from tempclr.negatives.edits import put_in as put_in
from tempclr.negatives.layout import Layout as Layout
from tempclr.negatives.layout import even_segments as even_segments
from tempclr.negatives.more_shuffles import mixture as mixture
from tempclr.negatives.more_shuffles import move_blocks as move_blocks
from tempclr.negatives.more_shuffles import move_one as move_one
from tempclr.negatives.more_shuffles import reverse as reverse
from tempclr.negatives.more_shuffles import swap_neighbours as swap_neighbours
from tempclr.negatives.orders import Orders as Orders
from tempclr.negatives.orders import as_orders as as_orders
from tempclr.negatives.orders import contents_of as contents_of
from tempclr.negatives.orders import shuffled_orders as shuffled_orders
from tempclr.negatives.orders import wrong_orders as wrong_orders
from tempclr.negatives.shuffles import Proposal as Proposal
from tempclr.negatives.shuffles import Shuffle as Shuffle
from tempclr.negatives.shuffles import permute_both as permute_both
from tempclr.negatives.shuffles import permute_clips as permute_clips
from tempclr.negatives.shuffles import permute_segments as permute_segments
