"""Pages and pictures of what sweeps hold."""
