"""Numbers in, numbers out.

ranking        ranks and recalls of retrieval
intervals      means and their confidence intervals
segmentation   labels of frames: accuracy, IoU, IoD, segmental F1, edit score
detection      scored segments, or one clip per step: mAP, step recall
"""

from tempclr.metrics.detection import mean_average_precision as mean_average_precision
from tempclr.metrics.detection import step_recall_by_seconds as step_recall_by_seconds
from tempclr.metrics.detection import step_recall_by_segments as step_recall_by_segments
from tempclr.metrics.intervals import Interval as Interval
from tempclr.metrics.intervals import bootstrap as bootstrap
from tempclr.metrics.intervals import bootstrap_ratio as bootstrap_ratio
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
from tempclr.metrics.segmentation import Background as Background
from tempclr.metrics.segmentation import Labels as Labels
from tempclr.metrics.segmentation import Segment as Segment
from tempclr.metrics.segmentation import edit_score as edit_score
from tempclr.metrics.segmentation import frame_accuracy as frame_accuracy
from tempclr.metrics.segmentation import frame_hits as frame_hits
from tempclr.metrics.segmentation import frame_iod as frame_iod
from tempclr.metrics.segmentation import frame_iou as frame_iou
from tempclr.metrics.segmentation import pooled_frame_accuracy as pooled_frame_accuracy
from tempclr.metrics.segmentation import pooled_segment_f1 as pooled_segment_f1
from tempclr.metrics.segmentation import segment_f1 as segment_f1
from tempclr.metrics.segmentation import segment_hits as segment_hits
from tempclr.metrics.segmentation import segment_iod as segment_iod
from tempclr.metrics.segmentation import segment_iou as segment_iou
from tempclr.metrics.segmentation import segments_of as segments_of
