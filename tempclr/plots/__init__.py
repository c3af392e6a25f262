"""Arrays in, matplotlib axes out: every function draws on `ax` and returns it."""
