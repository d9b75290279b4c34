"""A module whose source others read, send to other processes, and compile again with checks."""


def area(width: int, height: int) -> int:
    # This comment is part of the source.
    return width * height


if __name__ == "__channelexec__":
    channel.send(area(2, 3))  # noqa: F821 - execnet puts it there
