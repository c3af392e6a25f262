"""Where pairs of video and paragraph come from: one file per source, all yielding `sequences.Pair`.

`excerpts` cuts long ones; `lazy` are pairs that are made when they are needed.
"""
