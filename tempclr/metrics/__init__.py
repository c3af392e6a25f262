"""Numbers in, numbers out.

ranking        ranks and recalls of retrieval
intervals      means and their confidence intervals
"""

from tempclr.metrics.intervals import Interval as Interval
from tempclr.metrics.intervals import bootstrap as bootstrap
from tempclr.metrics.intervals import group_means as group_means
from tempclr.metrics.intervals import groups as groups
from tempclr.metrics.intervals import paired_interval as paired_interval
from tempclr.metrics.intervals import student as student
from tempclr.metrics.ranking import Ties as Ties
from tempclr.metrics.ranking import check_finite as check_finite
from tempclr.metrics.ranking import hits as hits
from tempclr.metrics.ranking import median_rank as median_rank
from tempclr.metrics.ranking import ranks as ranks
from tempclr.metrics.ranking import recall_at as recall_at
