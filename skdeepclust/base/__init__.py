"""The spine of all estimators: parameters, fitting, saving. No paper lives here."""

from .estimator import BaseDeepClustering, BaseDeepTransformer
from .objective import Objective

__all__ = ["BaseDeepClustering", "BaseDeepTransformer", "Objective"]
