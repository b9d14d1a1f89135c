"""What to run a library with, and where: the answer that a matrix's cells give, and no guess."""

from matrix.recommend.answer import Answer, Question, asked, recommend
from matrix.recommend.text import lines

__all__ = ["Answer", "Question", "asked", "lines", "recommend"]
