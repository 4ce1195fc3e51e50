"""From modes to spectra: broadened lines and zone integration."""
