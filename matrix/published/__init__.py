"""What a run shows: its page, and beside it what machines, badges, feeds and job summaries read."""

from matrix.published.publisher import Publisher, compared, publish

__all__ = ["Publisher", "compared", "publish"]
