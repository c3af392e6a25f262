"""Experiments over several runs.

comparison   trained runs side by side
ablation     one choice of the method at a time
demo         the main job
report       the page of the demo
"""
