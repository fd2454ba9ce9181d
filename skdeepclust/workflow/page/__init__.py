"""One HTML page about a clustering: open it in any browser, without a network.

The page is a template, a style and a script, put together here; nothing in it is loaded from
elsewhere, and its content-security policy forbids that it ever is.
"""

from .content import gather
from .render import write_page

__all__ = ["gather", "write_page"]
