"""Learning: a command runs in the build environment, and what it asks for is compared with what a build brings."""
