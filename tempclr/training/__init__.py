"""The training loop and its parts, one idea per file.

loop           `train`, which yields one record per training step
config         `TrainConfig`, the parameters of the loop; `StepRecord`, what it reports of a step
schedules      the learning rate of each step
batches        pairs -> batches, with a position that can be saved
processes      embeddings gathered from all processes, with gradients
recomputation  gradient checkpointing: less memory, more time
interruption   a clean end on SIGTERM
identity       what a training run depends on, so that only the same run is continued
checkpoints    files of weights and states, complete or absent
state          everything the next step depends on: created, saved, restored
history        records as lines of JSON
progress       a progress bar
"""
