"""
How the shipped replicas are made: one module for each kind of model.

A module's ``SAVES`` maps a row's id to the function that saves its replica at a path. They run in
the environment that the row names, some of them on Python 3.10, and import its library inside.
"""
