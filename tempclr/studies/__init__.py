"""Studies: several runs trained, compared and reported.

comparison           training runs evaluated on the same test split
ablation             the effect of one choice of the method at a time
steps_without_times  what order teaches when nobody knows when each step happens
selection            settings chosen on validation
demo                 training with and without the order loss, evaluation, report
report               the page of the demo
training_run         a training run without a notebook, as a job
audit                how often models notice a wrong order, by kind
audit_page           the folder of an audit: page, pictures, numbers
frozen               frozen features, mapped to sentences by least squares
"""
