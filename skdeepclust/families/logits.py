"""Two ways from embeddings to logits: cosines with unit prototypes, and a linear layer."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base.objective import Objective
from ..engine import Run


class UnitEmbeddings(Objective):
    """Unit embeddings compared with unit prototypes.

    z = encoder(x) / |encoder(x)|: embedding (B, d).  w: prototypes (K, d), of unit length wherever
    they are used.  logits: z w^T / t (B, K), t = ``temperature``.
    """

    spherical = True
    temperature: float

    def embed(self, x: Tensor) -> Tensor:
        """Embed a batch: float32, (B, embedding_dim), rows of unit length."""
        return F.normalize(super().embed(x), dim=1)

    def logits(self, z: Tensor) -> Tensor:
        """Cosine with each prototype over the temperature, (B, K)."""
        return z @ F.normalize(self.prototypes, dim=1).T / self.temperature


class LinearHeads(Objective):
    """Prototypes w (K, d) are the rows of a linear layer without bias.  logits: z w^T (B, K)."""

    lr: float
    weight_decay: float

    def logits(self, z: Tensor) -> Tensor:
        """Outputs of the head that predicts, (B, K)."""
        return z @ self.prototypes.T

    def draw_rows(self, heads: Iterable[Tensor], generator: torch.Generator) -> None:
        """Start heads as torch starts linear layers."""
        bound = self.prototypes.shape[1] ** -0.5
        for rows in heads:
            nn.init.uniform_(rows, -bound, bound, generator=generator)

    def place_directions(self, run: Run) -> None:
        """Place the prototypes, with length 1, or the longest would win most samples."""
        self.place_prototypes(run)
        with torch.no_grad():
            self.prototypes.copy_(F.normalize(self.prototypes, dim=1))

    def adam(self) -> torch.optim.Optimizer:
        """Return the optimiser of all weights that there are now."""
        return torch.optim.Adam(
            self.parameters(), self.lr, weight_decay=self.weight_decay, fused=True
        )
