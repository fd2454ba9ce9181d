"""Sphinx configuration; `make docs` builds the site, without network."""

import inspect
from pathlib import Path

import matplotlib
from sklearn.base import ClusterMixin

import skdeepclust

matplotlib.use("Agg")

project = "skdeepclust"
author = copyright = "The skdeepclust developers"
version = release = skdeepclust.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "STYLE.md"]
default_role = "code"
autodoc_typehints = "none"
autosummary_generate = True
numpydoc_show_class_members = False
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 2

html_theme = "pydata_sphinx_theme"
html_title = f"skdeepclust {release}"
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": False, "show_prev_next": False}
html_sidebars = {"index": []}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(^|/)(?!plot_)[^/]*\.py$",
    "download_all_examples": False,
    "show_memory": False,
    "abort_on_example_error": True,
    "matplotlib_animations": False,
}

METHODS = """Methods
=======

One page for each method, from its docstring: parameters, equations, sources.

.. autosummary::
   :toctree: generated
   :nosignatures:

{names}

.. toctree::
   :caption: Where papers and code differ
   :glob:

   methods/*
"""


def write_list_of_methods() -> None:
    """List every public estimator, so that a new paper needs no line here."""
    public = {name: getattr(skdeepclust, name) for name in skdeepclust.__all__}
    classes = {name: thing for name, thing in public.items() if inspect.isclass(thing)}
    names = [
        f"   skdeepclust.{name}" for name in classes if issubclass(classes[name], ClusterMixin)
    ]
    page = Path(__file__).with_name("methods.rst")
    page.write_text(METHODS.format(names="\n".join(names)))


write_list_of_methods()
