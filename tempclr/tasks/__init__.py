"""What a trained model is good for: each task takes embeddings and returns a frozen result."""
