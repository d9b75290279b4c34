"""What is kept on disk between builds: the cache with its locks, records, and what executables unpacked."""
