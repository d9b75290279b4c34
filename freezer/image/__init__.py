"""Images: the model of the OCI image specification, written and read as one tar that every consumer accepts.

``plan`` decides what an image is made of, ``contents`` lists its files, ``layer`` packs them, ``write`` puts all into
one file; ``archive`` reads any image, ``check`` judges it, ``rootfs`` unpacks its root and ``prove`` runs it there.
``model`` and ``reference`` are what both directions share.
"""
