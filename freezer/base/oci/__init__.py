"""Images as the OCI specifications and docker have them: names, documents, reading archives, unpacking layers."""
