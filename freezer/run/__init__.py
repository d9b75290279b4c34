"""Running images: anybody's image, as an ordinary user or as root, without a container engine.

The image's layers become a root in the cache (``image_roots``). What the image states and what the caller wants
(``wanted``) make a ``container``. A program of its own (``cell``) leaves the host's namespaces, makes the root of the
parts of the cached one, and starts the application there; ``running`` stands between it and the caller's terminal and
signals. It isolates as strictly as the proof does (``freezer.prove.sandbox``), and for hostile images more.
"""
