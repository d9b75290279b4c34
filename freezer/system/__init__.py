"""The system that a build runs in: the host, or the root of another one."""
