"""The page of a clustering: its content put into the template."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup

from ... import _version
from .content import MAX_LISTED, PageContent
from .curves import HEIGHT, WIDTH
from .terms import HELP

_SCRIPTS = ("base", "decisions", "gallery", "map", "clusters", "desk", "words")  # in this order


def write_page(file: str | os.PathLike[str], content: PageContent) -> None:
    """Write the page of a clustering: one HTML file that needs nothing else.

    Parameters
    ----------
    file : str or path-like
    content : PageContent, as of `gather`
    """
    Path(file).write_text(render(content), encoding="utf-8")


def render(content: PageContent) -> str:
    """Return the HTML of a page; nothing is computed here, and nothing read but the template.

    Parameters
    ----------
    content : PageContent, as of `gather`

    Returns
    -------
    text : str
    """
    return _template().render(
        **vars(content),
        max_listed=MAX_LISTED,
        curve_box=(WIDTH, HEIGHT),
        version=_version.__version__,
        help=HELP,
        css=Markup(_asset("page.css")),  # our own files, which need no escape
        js=Markup("\n".join(_asset(f"{name}.js") for name in _SCRIPTS)),
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("page.html"))


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
