"""What is put into every application: the start script, and what it defers. Never imported by freezer."""
