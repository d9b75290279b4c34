"""A module of a namespace package, which another directory has a part of, too."""

VALUE = "here"
