"""The contents of an executable or an image, and their sizes: ``freezer inspect``.

``image`` and ``executable`` read the file into a ``report``; ``table`` shows it on a terminal, ``treemap`` as one HTML
file. All sizes are in bytes.
"""
