"""Read an estimator that was saved: above the papers, as it must know them all."""

from __future__ import annotations

from typing import Any

from . import methods
from .base.estimator import ESTIMATORS
from .base.saving import read_model

methods.import_all()  # whoever derives an estimator of their own is known by importing it


def load(path: Any, *, encoder: Any = None) -> Any:
    """Read an estimator that was written by its ``save``.

    Parameters
    ----------
    path : str or path-like
    encoder : torch.nn.Module or callable, default=None
        Needed if the estimator was fitted with an encoder that has no name: a module of the
        same architecture. Its weights are replaced by the saved ones.

    Returns
    -------
    estimator : fitted; on the device that its ``device`` means here, else on the CPU

    Raises
    ------
    ValueError
        If the file is not one of ours, was written by a newer format, or needs ``encoder``.
    """
    model = read_model(path)
    estimator = _unfitted(path, model.class_name, model.params, encoder)
    estimator._restore(model)
    return estimator


def _unfitted(path: Any, class_name: str, params: dict[str, Any], encoder: Any) -> Any:
    """Make the estimator that a file describes, and before it the one that it wraps."""
    if class_name not in ESTIMATORS:
        raise ValueError(
            f"{path} holds a {class_name}, which this skdeepclust does not know; it knows "
            f"{sorted(ESTIMATORS)}."
        )
    params = dict(params)
    if "base" in params:
        base = params["base"]
        params["base"] = _unfitted(path, base["class"], base["params"], encoder)
    elif params.get("encoder") is None:
        if encoder is None:
            raise ValueError(
                f"{path} was fitted with a torch module as encoder; pass "
                "load(path, encoder=module) with a module of the same architecture."
            )
        params["encoder"] = encoder
    return ESTIMATORS[class_name](**params)
