"""What a fit says of its own clusters: sizes, neighbours that they part, and of a mere cloud."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.samples import Samples
from ..data.shapes import are_small_and_grey
from ..device.ranks import alone
from ..ops import kmeans, knn
from ..ops.cloudiness import CLOUDY, NEAREST, STRUCTURE_OF, cloudiness, parted
from ..ops.cloudiness import FEWEST as FEWEST_OF_A_CLOUD

BLOCK = 64  # images at once
LOOKED_AT, CELLS = 2000, 2**20  # at most so many samples and values: a tenth of a second, 4 MiB
FEWEST = 50
# Of what k-means parts, and of all neighbours. 8 of 426 fits below k-means are within, 64 of 511
# others beyond; of the true classes of eleven sets, those of Fashion-MNIST alone are, and of seven
# sets of features and texts those of flowers. With a limit low enough for what is missed on such
# (1.37 and more), true classes of texts would be called wrong, too.
TOLERATED, SLACK = 1.45, 0.02
LARGE, SIDE = 1024, 8  # images of more values are seen as 8 x 8 cells
WIDEST = 4096  # columns of vectors in which a cloud is looked for
FEWEST_OF_A_GROUP, GROUPED = 6, 0.8  # samples of a small cluster; share of their neighbours in it


CLOUD = "hardly more clusters than random numbers of the same spread"
PIXELS_ARE_A_CLOUD = f"The pixels say little about which images belong together: they form {CLOUD}."
PIXELS_SAY_LITTLE = f"{PIXELS_ARE_A_CLOUD} Features of a pretrained network say more."


def n_used(labels: Tensor) -> int:
    """Labels that a sample has."""
    return int(labels.bincount().count_nonzero())


def n_looked_at(samples: Samples) -> int:
    """How many samples a look takes."""
    n_values = math.prod(int(side) for side in samples.shape)
    return min(len(samples), LOOKED_AT, CELLS // n_values)


def looked_at(samples: Samples) -> Tensor:
    """Indices of the samples that a look takes."""
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))
    return order[: n_looked_at(samples)]


def neighbors_mean_something(samples: Samples) -> bool:
    """Whether near samples are alike, and there are enough of them."""
    if samples.is_image and not are_small_and_grey(samples.rows.shape[1:]):
        return False
    return n_looked_at(samples) >= FEWEST


def is_a_group(samples: Samples, labels: Tensor, cluster: int) -> bool:
    """Whether a small cluster keeps to itself in the input: a rare kind, and no remnant."""
    if not neighbors_mean_something(samples):
        return False
    some = looked_at(samples)
    members = labels[some] == cluster
    n_members = int(members.sum())
    if n_members < FEWEST_OF_A_GROUP:
        return False
    near = knn(samples.comparable(some), min(NEAREST, n_members - 1))[1].cpu()[members]
    return bool(members[near].double().mean() >= GROUPED)


def compared_with_kmeans(samples: Samples, labels: Tensor) -> tuple[float, float]:
    """Share of nearest neighbours in the input that ``labels`` part, and that k-means parts.

    Both at as many clusters, on some of the samples.
    """
    some = looked_at(samples)
    x = samples.comparable(some)
    near = knn(x, min(NEAREST, len(x) - 1))[1].cpu()
    found = labels[some]
    n_clusters = n_used(found)
    plain = kmeans(x, n_clusters, n_init=3, seed=0)[1].cpu()
    if n_used(plain) < n_clusters:  # fewer distinct samples: nothing to compare
        plain = found
    return parted(near, found), parted(near, plain)


def complaint_of_neighbors(samples: Samples, labels: Tensor) -> list[str]:
    """Report of neighbours that the clusters part and k-means does not, where they mean something.

    45 % more are tolerated, and 2 % of all: good clusters may part more than those of k-means.
    """
    if not neighbors_mean_something(samples):
        return []
    ours, plain = compared_with_kmeans(samples, labels)
    if ours <= max(TOLERATED * plain, plain + SLACK):
        return []
    return [
        f"The clusters part {ours:.1%} of the samples' {NEAREST} nearest neighbours in X, those of "
        f"k-means {plain:.1%}: k-means may be the better choice for this data. Try longer training "
        "or another method."
    ]


def complaint_of_a_cloud(
    samples: Samples, n_clusters: int, *, own_network: bool = False
) -> list[str]:
    """Report of samples that form no clusters, whatever was found in them.

    A network of the user's own may be a pretrained one, and is not advised.
    """
    if len(samples) < FEWEST_OF_A_CLOUD:
        return []
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))
    x = seen_coarsely(samples, order[:STRUCTURE_OF]).cpu()
    if cloudiness(x, n_clusters, 0) < CLOUDY:
        return []
    if not samples.is_image:
        return [f"The data form {CLOUD}."]
    return [PIXELS_ARE_A_CLOUD if own_network else PIXELS_SAY_LITTLE]


def seen_coarsely(samples: Samples, some: Tensor) -> Tensor:
    """Samples as rows (n, d): as the network sees them, wide ones folded, large images as cells."""
    if not samples.is_image:
        is_wide = samples.shape[0] > WIDEST and not samples.is_wide_and_sparse
        with alone():
            return samples.map(folded, some) if is_wide else samples.comparable(some)
    if math.prod(samples.shape) <= LARGE:
        return samples.comparable(some)
    parts = (samples.batch(part) for part in torch.split(some, BLOCK))
    return torch.cat([F.adaptive_avg_pool2d(part, SIDE).flatten(1) for part in parts])


def folded(x: Tensor) -> Tensor:
    """Rows x (B, d) as sums (B, 4096) of columns with random signs: distances stay within 5 %.

    References
    ----------
    Charikar, Chen & Farach-Colton, Finding Frequent Items in Data Streams, ICALP 2002.
    """
    generator = torch.Generator().manual_seed(0)
    place = torch.randint(WIDEST, x.shape[1:], generator=generator).to(x.device)
    sign = (2 * torch.randint(2, x.shape[1:], generator=generator) - 1).to(x)
    return x.new_zeros(len(x), WIDEST).index_add_(1, place, x * sign)


TINY = 0.1  # of an equal share: outliers or a collapse make smaller clusters, which are reported
