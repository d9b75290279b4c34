"""Modules that know nothing of freezing: errors, log, jobs and their tools; ELF, tar, compression, images as files."""
