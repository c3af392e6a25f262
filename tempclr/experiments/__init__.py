"""What the parameters of a notebook describe, and the folders that runs write.

choices          the named choices, such as shuffles and alignments
experiment       parameters of training on videos and paragraphs
recognition      parameters of training on pairs of labelled videos
video_text       data and model of an `Experiment`
video_video      data and model of a `Recognition`
runs             one run, one folder of plain files
trained          finished training runs, opened for evaluation
alignment_file   the pair of sequences of a run that a view shows
"""

from tempclr._util.settings import from_parameters as from_parameters
