"""Results compared: with their files, with what is computed again, with another sweep."""
