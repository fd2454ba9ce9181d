"""The page of a clustering: its content put into the template."""

from __future__ import annotations

import json
import os
import shutil
from base64 import b64encode
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import jinja2
import numpy as np
from markupsafe import Markup

from ... import _version
from .content import MAX_LISTED, Apart, PageContent
from .curves import HEIGHT, WIDTH
from .terms import HELP

COLUMNS = "columns.js"  # in the folder beside the page
_SCRIPTS = ("base", "decisions", "gallery", "map", "clusters", "desk", "words")  # in this order


def write_page(file: str | os.PathLike[str], content: PageContent) -> None:
    """Write the page of a clustering: one HTML file that needs nothing else.

    The page of many images has a folder beside it, ``report-files`` of ``report.html``.

    Parameters
    ----------
    file : str or path-like
    content : PageContent, as of `gather`
    """
    file = Path(file)
    folder = file.with_name(f"{file.stem}-files")
    if content.apart is None:
        file.write_text(render(content), encoding="utf-8")
        _remove_older(folder, 0)
        return
    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        n_sheets = _write_apart(folder, content.apart)
        file.write_text(render(content, quote(folder.name)), encoding="utf-8")
    except BaseException:
        if is_new:
            shutil.rmtree(folder)
        raise
    _remove_older(folder, n_sheets)


def _remove_older(folder: Path, n_sheets: int) -> None:
    """Remove what an earlier page left beside this one; what else lies there stays."""
    for sheet in folder.glob("*.webp"):
        if sheet.stem.isdecimal() and int(sheet.stem) >= n_sheets:
            sheet.unlink()
    if not n_sheets and folder.is_dir():
        (folder / COLUMNS).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def _write_apart(folder: Path, apart: Apart) -> int:
    """Write thumbnails, and the columns as a script: a page may read no other file of a disk.

    Returns the number of sheets of thumbnails.
    """
    n_sheets = 0
    for sheet in apart.sheets:
        (folder / f"{n_sheets}.webp").write_bytes(sheet)
        n_sheets += 1
    columns = {
        name: b64encode(np.ascontiguousarray(column, column.dtype.newbyteorder("<")).tobytes())
        for name, column in apart.columns.items()
    }
    texts = {name: text.decode("ascii") for name, text in columns.items()} | apart.texts
    script = f"window.skdeepclust = {json.dumps(texts, ensure_ascii=False)};\n"
    (folder / COLUMNS).write_text(script, encoding="utf-8")
    return n_sheets


def render(content: PageContent, apart: str = "") -> str:
    """Return the HTML of a page; nothing is computed here, and nothing read but the template.

    Parameters
    ----------
    content : PageContent, as of `gather`
    apart : str, default=""
        Address of the folder beside the page, if there is one.

    Returns
    -------
    text : str
    """
    return _template().render(
        **{**vars(content), "apart": apart, "data": {**content.data, "apart": apart}},
        columns=COLUMNS,
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
