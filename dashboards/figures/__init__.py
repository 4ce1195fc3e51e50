"""Figures: each takes numbers out of a dataset, then draws them."""
