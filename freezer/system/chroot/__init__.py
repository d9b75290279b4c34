"""Building in the root of another system."""
