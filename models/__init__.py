"""The physics: one file per model that a user can sweep, and the bodies of physics they share."""
