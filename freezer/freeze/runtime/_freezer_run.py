# Takes the main script's place among the scripts in PyInstaller's package. Nothing runs it: the main script's code is a
# module's, and _freezer_runner runs that.
