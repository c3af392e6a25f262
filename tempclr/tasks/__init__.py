"""What a trained model is good for: each task takes embeddings and returns a frozen result.

retrieval      a paragraph finds its video
localization   the steps of a list find their clips
few_shot       a video finds its class, given a few of each
"""
