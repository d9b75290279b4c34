"""The native linker: freezer's own launcher and start of Python, in place of staticx and PyInstaller's bootloader."""
