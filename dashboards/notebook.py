"""What a notebook shows of a sweep: its first view, able to be moved and saved."""

from __future__ import annotations

import html

from bokeh.embed import file_html
from bokeh.resources import INLINE

from dashboards.plotting import picture, results_of
from dashboards.views.view import Frame
from sweep import InputError

FRAME = Frame(860, 400)
EDGE = 40


def notebook_html(path: str) -> str:
    """Draw the first view of a sweep, in a frame of its own that needs no network.

    The frame holds BokehJS, too, so that the notebook shows it when it is opened again; nothing
    if the sweep has no results yet.
    """
    try:
        drawn = picture(results_of(path), frame=FRAME)
    except InputError:
        return ""
    page = file_html(drawn.content, resources=INLINE, title=drawn.title)
    return (
        f'<iframe srcdoc="{html.escape(page)}" title="{html.escape(drawn.title)}" '
        f'style="width:100%;height:{FRAME.height + EDGE}px;border:0;background:white"></iframe>'
    )
