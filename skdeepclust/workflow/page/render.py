"""The page of a clustering: its content put into the template."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from markupsafe import Markup

from ... import _version
from .content import MAX_LISTED, PageContent, gather
from .curves import HEIGHT, WIDTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...displays.choosing import Plane
    from ..evidence import Evidence
    from ..table import Assignments


def write_page(
    file: str | os.PathLike[str],
    table: Assignments,
    *,
    title: str,
    images: NDArray[np.uint8],
    pictures: Sequence[NDArray[Any]],
    embedding: NDArray[Any],
    classes: Sequence[str] | NDArray[Any] | None = None,
    history: Iterable[dict[str, Any]] = (),
    facts: Iterable[tuple[str, str]] = (),
    skipped: Iterable[tuple[str, str]] = (),
    base: str | None = None,
    warnings: Iterable[str] = (),
    evidence: Evidence | None = None,
    choice: Mapping[int, float] | None = None,
    plane: Plane | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> None:
    """Write the page of a clustering: one HTML file that needs nothing else.

    Parameters
    ----------
    file : str or path-like
    table : Assignments
        One row for each image; cluster -1 is no cluster.
    title : str
    images : ndarray of shape (n_images, H, W) or (n_images, H, W, C), uint8
        Every image at any size; the thumbnails are made of them. Above 40,000 images only those
        on the map have one.
    pictures : sequence of n_images arrays
        The images as large as they are; only the examples of the clusters are looked up.
    embedding : ndarray of shape (n_images, embedding_dim)
        The map shows at most 5,000 images.
    classes : sequence of n_images str, default=None
        Known classes; they get a table against the clusters.
    history : iterable of dict
        One dict for each epoch, as `history_` of the estimators.
    facts : iterable of (name, value)
        Shown at the top and at the end.
    skipped : iterable of (path, reason)
        Files that are not among the images.
    base : str, default=None
        Address of the folder of images as seen from the page, for links to the files; None links
        nothing.
    warnings : iterable of str
        What the fit warned of; shown at the top.
    evidence : Evidence, default=None
        What `judge` found; its verdict is shown at the top, and k-means beside the clusters.
    choice : mapping of int to float, default=None
        Score of each number of clusters that was compared.
    plane : Plane, default=None
        Points of the map, if they are known.
    random_state : int, RandomState instance or None, default=0
        Decides between examples of equal confidence, and the map.
    """
    content = gather(
        table,
        title=title,
        images=images,
        pictures=pictures,
        embedding=embedding,
        classes=classes,
        history=history,
        facts=facts,
        skipped=skipped,
        base=base,
        warnings=warnings,
        evidence=evidence,
        choice=choice,
        plane=plane,
        random_state=random_state,
    )
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
        **{name: Markup(_asset(f"page.{name}")) for name in ("css", "js")},  # our own files
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("page.html"))


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
