"""All views, in the order in which they are offered."""

from __future__ import annotations

from typing import Any

from dashboards.views import chain_views, cluster_views, impurity_views, slab_views
from dashboards.views.explorer import Explorer
from dashboards.views.view import Results, View
from sweep import InputError

VIEWS: tuple[View[Any], ...] = (
    *slab_views.VIEWS, *impurity_views.VIEWS, *cluster_views.VIEWS, *chain_views.VIEWS, Explorer(),
)  # fmt: skip


def views_of(results: Results) -> list[View[Any]]:
    """Give the views that have something to show; the last one fits whatever there is."""
    return [view for view in VIEWS if view.fits(results)]


def view_named(name: str, results: Results) -> View[Any]:
    """Give a view by its name.

    Raises
    ------
    InputError : there is none, or the store does not have what it shows
    """
    fitting = views_of(results)
    for view in fitting:
        if view.name == name:
            return view
    known = ", ".join(v.name for v in fitting)
    msg = f"There is no view {name!r} of {results.name}. Views: {known}."
    raise InputError(msg)
