"""freezer turns a Python application into one static Linux executable, proven in an empty root."""

__version__ = "0.1.0"
