"""The demo: a series forecast with an LSTM, from the numbers to the pictures, and judged honestly."""


class DemoError(ValueError):
    """The demo cannot run on what it was given; the text says why, and what would do."""
