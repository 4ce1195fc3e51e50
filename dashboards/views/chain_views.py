"""Views of the model chain."""

from __future__ import annotations

from typing import Any

from dashboards.views.view import View

VIEWS: tuple[View[Any], ...] = ()
