"""The Python to build with, and the environment of packages that the application is frozen from."""
