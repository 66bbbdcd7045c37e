"""Training: losses, metrics, optimizers, and the loop that uses them."""
