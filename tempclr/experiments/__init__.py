"""What the parameters of a notebook describe, and the folders that runs leave behind.

choices          the named choices, such as shuffles and alignments
experiment       parameters of training on videos and paragraphs
recognition      parameters of training on pairs of labelled videos
video_text       data and model of an experiment
video_video      data and model of a recognition
runs             one run, one folder of plain files
trained          finished training runs, opened
alignment_file   the pair of sequences that a view shows of a run
"""

from tempclr._util.settings import from_parameters as from_parameters
