"""
Makes a plan of the axes.

Each torch of ``torches`` with each library and version of ``subjects``, in a Python that both have
(``pythons``), is a cell (``cells``); ``planner`` puts them together, and ``world`` is all that is
asked outside.
"""
