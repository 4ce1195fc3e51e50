"""Views of the model cluster."""

from __future__ import annotations

from typing import Any

from dashboards.views.view import View

VIEWS: tuple[View[Any], ...] = ()
