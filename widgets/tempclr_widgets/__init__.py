"""Views for Jupyter, for an offline page and for print; each is one class and one plain ES module."""

from tempclr_widgets.alignment_explorer import AlignmentExplorer as AlignmentExplorer
from tempclr_widgets.retrieval_inspector import RetrievalInspector as RetrievalInspector
from tempclr_widgets.saved import saved_page as saved_page
from tempclr_widgets.shuffle_lab import ShuffleLab as ShuffleLab
from tempclr_widgets.soft_dtw_playground import SoftDTWPlayground as SoftDTWPlayground
from tempclr_widgets.training_monitor import TrainingMonitor as TrainingMonitor
