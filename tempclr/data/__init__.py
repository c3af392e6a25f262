"""Data sources, one file each; all return `sequences.Pair` or labelled videos.

source          what a data source is
babyai          simulated rooms as pairs
babyai_classes  simulated rooms as labelled videos
simulator       the agent in those rooms
digits          strings of spoken digits as pairs: real recordings
features        a folder of your own features, as either
embeddings      embeddings of any model as pairs, from arrays or one file
manifest        the description of such a folder
bounds          what bounds of sentences say about its rows
labelled        videos with a class, and pairs of two
excerpts        long videos split into parts
lazy            pairs that are made when they are drawn
text            sentences to features
wordpieces      sentences to word pieces
ranges          checks of parameters, without torch
"""

import lazy_loader

_FILES = ["babyai", "babyai_classes", "bounds", "digits", "embeddings", "excerpts", "features", "labelled", "lazy"]
_FILES += ["manifest", "ranges", "simulator", "source", "text", "wordpieces"]
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=_FILES)  # each loads when it is first used
