"""A store as files of other programs."""
