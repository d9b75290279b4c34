"""Cannot be imported."""


def refuse():
    raise ImportError("it is too old")


refuse()
