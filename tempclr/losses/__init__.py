"""The objective: match units with units, and whole sequences with sequences in the right order.

units         unit_loss, mil_nce: single clips and sentences; step_loss: those of one video, with background
order         order_loss: a sequence in its true order against wrong ones
distances     what may stand for soft-DTW in it
temperature   a number, or learnt
schedule      the weight of the order loss, as training goes on
_selection    which sentences of a video the order loss takes
_sides        how sentences and clips are shuffled, encoded and compared
_stable_repr  functions in words
_gather       the batches of several processes as one
model         TempCLR: encoders and both losses
"""

from tempclr.losses._gather import Gather as Gather
from tempclr.losses.distances import both_ways as both_ways
from tempclr.losses.distances import per_cell as per_cell
from tempclr.losses.distances import transposed as transposed
from tempclr.losses.model import Losses as Losses
from tempclr.losses.model import TempCLR as TempCLR
from tempclr.losses.order import order_loss as order_loss
from tempclr.losses.schedule import ramp as ramp
from tempclr.losses.temperature import Temperature as Temperature
from tempclr.losses.units import mil_nce as mil_nce
from tempclr.losses.units import step_loss as step_loss
from tempclr.losses.units import unit_loss as unit_loss
