"""What ``freezer init`` writes: the settings of a project, and what runs its image."""
