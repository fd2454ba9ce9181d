"""Sparse rows as short dense ones, between which distances mean something."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from sklearn.decomposition import TruncatedSVD
from torch import Tensor

DIMENSIONS = 100


def latent_directions(rows: Any) -> Tensor:
    """Latent semantic analysis: directions in the first singular vectors, float32, (n, 101).

    Two texts share hardly a word. In the rows themselves all texts are equally far from each other,
    and short or empty ones, near the origin, would be the nearest neighbours of all. Directions in
    fewer dimensions tell topics apart. Fewer than 400 rows get a quarter as many dimensions. The
    last dimension is for empty rows, and theirs alone.

    Parameters
    ----------
    rows : sparse array of shape (n, d), n > 1 and d > 100
        It stays sparse.

    References
    ----------
    Deerwester et al., Indexing by latent semantic analysis, JASIS 1990.
    """
    n_components = min(DIMENSIONS, max(rows.shape[0] // 4, 1))
    svd = TruncatedSVD(n_components, random_state=0).set_output(transform="default")
    found = svd.fit_transform(rows)
    z = F.normalize(torch.as_tensor(found, dtype=torch.float32), dim=1)
    return torch.cat([z, ~z.any(1, keepdim=True)], dim=1)
