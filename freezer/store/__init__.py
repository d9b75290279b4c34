"""The files kept on disk between builds: the cache with its locks, records, and the files that executables unpacked."""
