"""Studies: several runs trained, compared and reported.

comparison    training runs evaluated on the same test split
ablation      the effect of one choice of the method at a time
demo          training with and without the order loss, evaluation, report
report        the page of the demo
training_run  a training run without a notebook, as a job
"""
