"""The commands, a module each: ``add_parser(commands)`` says what is understood, ``run(arguments, rest)`` does it and
returns the exit status. Importing them needs the standard library only: what does the work is imported by ``run``."""
