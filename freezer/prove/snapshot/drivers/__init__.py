"""What runs in the traced interpreter, which has the application's modules, under every Python that these can have.

The modules are given to the interpreter as text, and do their work with what the interpreter has when it starts: what
they imported themselves would be taken for the application's. So they write JSON themselves, and have no annotations
that need a module.
"""
