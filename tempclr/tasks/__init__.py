"""Evaluation of a trained model: each task takes embeddings and returns a frozen result.

retrieval        find the video of a paragraph
naming           name each clip, given the sentences of its video in order
localization     find the clip of each task step in a video
segmentation     label every frame of a video, given frame scores and the order of its steps
few_shot         find the class of a video, given a few videos of each class
order_audit      how often a score notices a wrong order
wrong_sequences  the wrong orders of an audit, by kind
"""
