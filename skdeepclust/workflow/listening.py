"""What can be heard of a run while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a listener need not wait for torch
    from ..model_selection import NClusters
    from ..pretrained.embedder import ImageEmbedder
    from .evidence import Evidence
    from .table import Assignments


class Listener:
    """Hears what a run does. This one keeps it to itself: Python's door is silent."""

    def network_chosen(self, embedder: ImageEmbedder) -> None:
        """Hear that a pretrained network sees the images, as none was asked for."""

    def time_left(self, stage: str, seconds: float) -> None:
        """Hear how long the run will take; then, now and then, how long it still takes."""

    def method_chosen(self, name: str) -> None:
        """Hear which method suits, as none was asked for."""

    def n_clusters_chosen(self, found: NClusters) -> None:
        """Hear how many clusters were found, as no number was asked for."""

    def left_unclustered(self, table: Assignments) -> None:
        """Hear which samples are in no cluster."""

    def judged(self, evidence: Evidence) -> None:
        """Hear what can be said of the clusters without labels."""

    def drawing(self) -> None:
        """Hear that all is learnt, and only pictures are left to be drawn."""


SILENT = Listener()
