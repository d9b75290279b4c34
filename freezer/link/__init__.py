"""Linking: the closed bundle becomes a tree, and the tree one executable, or layers of an image."""
