"""A package with data, modules and a script of its own."""

HERE = __name__
