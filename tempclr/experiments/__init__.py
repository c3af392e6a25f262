"""What a notebook's parameters describe, and the folders that runs leave behind.

video_text       data, model and objective of training on videos and paragraphs
video_video      the same for pairs of labelled videos
runs             one run, one folder of plain files
trained          finished training runs, opened
alignment_file   what a view shows of a run
"""
