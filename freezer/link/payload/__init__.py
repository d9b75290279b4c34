"""What is behind freezer's launcher in an executable: a stream of records, filtered, packed, and its trailer."""
