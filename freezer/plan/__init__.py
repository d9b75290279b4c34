"""From input to frozen values: settings, choices, and the plan of a build and of an image."""
