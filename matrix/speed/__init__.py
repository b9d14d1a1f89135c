"""
What a torch does to the speed of a model: forward times against those of a baseline.

A difference counts where it is larger than what either varies by itself, and is called one when it
was seen again, with both run in turn.
"""
