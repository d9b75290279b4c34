# Takes the main script's place among the scripts that the bootloader runs.
__import__("_freezer_runner").run()
