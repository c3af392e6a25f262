"""The training loop, and what it is made of, one idea per file.

loop          the loop: a generator of records
config        how the loop runs, and what it tells of each step
schedules     step -> learning rate
batches       pairs -> batches, with a position that can be stored
processes     the items of all processes, with gradients
recomputation activations computed twice instead of kept
interruption  ending in order when the system asks
identity      what a training is, so that it is continued only as what it was
checkpoints   files that are whole or not there
state         everything the next step depends on
history       records as lines of JSON
progress      a bar
"""
