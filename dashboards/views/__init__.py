"""Views of results: one registry, from which pages, reports, plots and notebooks draw."""
