"""One paper, one file: the listing of this folder is the table of contents."""
