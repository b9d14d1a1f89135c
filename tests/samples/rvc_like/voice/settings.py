"""What a voice was trained with; pickled beside its weights."""


class Settings:
    """The rate of its sound, and the width of the features that it takes."""

    def __init__(self, rate, width):
        self.rate = rate
        self.width = width
