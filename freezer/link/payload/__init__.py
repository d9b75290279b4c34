"""The part of an executable behind freezer's launcher: a stream of records, filtered and packed, and its trailer."""
