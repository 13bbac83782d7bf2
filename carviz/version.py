"""Floor −1: the version of carviz, written here and nowhere else in the package.

A plain assignment, since the build reads it from the text (`[tool.hatch.version]`). It is not asked
of the installed package: a copied tree has none, and an editable install tells the version of the
day when it was installed.
"""

__version__ = "0.1.0"
