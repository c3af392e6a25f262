"""The objective: match units with units, and whole sequences with sequences in the right order."""

from tempclr.losses.gather import Alone as Alone
from tempclr.losses.gather import Gather as Gather
from tempclr.losses.model import Losses as Losses
from tempclr.losses.model import TempCLR as TempCLR
from tempclr.losses.model import order_loss as order_loss
from tempclr.losses.model import unit_loss as unit_loss
