"""What the user wants frozen: the entry, the project it is in, and where its sources are."""
