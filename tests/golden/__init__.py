"""Reference data computed by real Keras, and its reader."""
