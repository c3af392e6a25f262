from . import alignment as alignment
from . import data as data
from . import encoders as encoders
from . import experiments as experiments
from . import losses as losses
from . import metrics as metrics
from . import negatives as negatives
from . import pairwise as pairwise
from . import plots as plots
from . import tasks as tasks
from . import training as training
from .alignment import alignment_of as alignment_of
from .alignment import drop_dtw as drop_dtw
from .alignment import dtw as dtw
from .alignment import dtw_path as dtw_path
from .alignment import expected_alignment as expected_alignment
from .alignment import otam as otam
from .alignment import path_of as path_of
from .alignment import soft_dtw as soft_dtw
from .costs import cosine_cost as cosine_cost
from .costs import squared_cost as squared_cost
from .losses import TempCLR as TempCLR
from .sequences import Pair as Pair
from .training.config import TrainConfig as TrainConfig
from .training.loop import train as train

__version__: str
