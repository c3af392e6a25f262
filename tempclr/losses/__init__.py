"""The objective: match single units, and match whole sequences in the right order.

model         TempCLR: two encoders and the objective
units         unit_loss, and UnitTerm: each clip with its sentence, among those of all videos
assignment    the sentences of clips whose sentence is unknown
mil_nce       a unit loss for captions that only roughly match their clips
discriminative  discriminative_loss, and DiscriminativeTerm: a transcript against all wrong ones; needs no bounds
within_video  step_loss, and WithinVideoTerm: supervised, each video by itself, background included
order         order_loss: a sequence in its true order against wrong ones
order_term    OrderTerm: what the objective contrasts with what
contrast      info_nce: the loss of a sequence from its distances to the right candidate and to wrong ones
distances     alignment functions built from others
temperature   a learnt temperature
schedule      the weight of the order term over training
"""

from tempclr.losses._gather import Gather as Gather
from tempclr.losses.assignment import Assignment as Assignment
from tempclr.losses.assignment import OwnAlignment as OwnAlignment
from tempclr.losses.assignment import even_split as even_split
from tempclr.losses.assignment import evenly as evenly
from tempclr.losses.assignment import known_only as known_only
from tempclr.losses.contrast import Contrast as Contrast
from tempclr.losses.contrast import info_nce as info_nce
from tempclr.losses.discriminative import DiscriminativeTerm as DiscriminativeTerm
from tempclr.losses.discriminative import discriminative_loss as discriminative_loss
from tempclr.losses.distances import both_ways as both_ways
from tempclr.losses.distances import per_cell as per_cell
from tempclr.losses.distances import transposed as transposed
from tempclr.losses.mil_nce import mil_nce as mil_nce
from tempclr.losses.model import Losses as Losses
from tempclr.losses.model import TempCLR as TempCLR
from tempclr.losses.order import order_loss as order_loss
from tempclr.losses.order_term import OrderTerm as OrderTerm
from tempclr.losses.schedule import ramp as ramp
from tempclr.losses.temperature import Temperature as Temperature
from tempclr.losses.units import UnitTerm as UnitTerm
from tempclr.losses.units import unit_loss as unit_loss
from tempclr.losses.within_video import WithinVideoTerm as WithinVideoTerm
from tempclr.losses.within_video import step_loss as step_loss
