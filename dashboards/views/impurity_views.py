"""Views of the model impurity."""

from __future__ import annotations

from typing import Any

from dashboards.views.view import View

VIEWS: tuple[View[Any], ...] = ()
