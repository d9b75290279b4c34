"""What is inside an executable or an image, and how big: ``freezer inspect``.

``image`` reads the file (``executable`` what is inside an executable) into a ``report``; ``table`` shows it on a
terminal, ``treemap`` as one HTML file. Sizes are in bytes everywhere.
"""
