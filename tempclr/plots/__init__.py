"""Arrays in, matplotlib axes out: every function draws on `ax` and returns it, or returns a figure of several axes.

alignment      cost matrices, hard paths, soft alignments
series         two series and the steps that a path matches
orders         costs of true and of wrong orders, and how many are noticed
retrieval      all scores, and the rank of each query's right item
localization   when task steps happen and when they were found
few_shot       confusion matrix, and a query aligned with each support
frames         one frame per clip, under the sentences
training       learning curves of several runs
measurements   means with intervals, growth with size
interactive    some of these as plotly figures
style          colours, fonts and sizes; light and dark
"""
