"""One module per style, imported by name when it is asked for."""
