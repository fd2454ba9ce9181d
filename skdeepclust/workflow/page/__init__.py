"""One HTML page about a clustering: open it in any browser, without a network.

The page is a template, a style and a script, put together here; nothing in it is loaded from
elsewhere, and its content-security policy forbids that it ever is. Of very many images, columns and
thumbnails lie in a folder beside it.
"""

from .content import MOST_IN_ONE_FILE, gather
from .render import write_page

__all__ = ["MOST_IN_ONE_FILE", "gather", "write_page"]
