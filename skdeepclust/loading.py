"""Read an estimator that was saved: above the papers, as it must know them all."""

from __future__ import annotations

import inspect
from typing import Any

from . import methods
from .base.estimator import ESTIMATORS
from .base.saving import read_model, refusing

# Parameters of 0.1.0 that only a new fit would need. Where one is left out, its value is fixed now,
# or another parameter says the same.
LEFT_OUT = {
    *("assign_chunk", "boost_epochs", "center_update", "checkpoint_every", "compile"),
    *("density_scale", "dual_lr", "max_samples", "momentum", "n_init", "pcl_temperature"),
    *("predictor_lr_scale", "self_label_epochs", "signal", "warmup", "weight_decay"),
}
RENAMED = {"hsd_temperature": "temperature"}

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
    with refusing(path):
        estimator._restore(model)
    return estimator


def _unfitted(path: Any, class_name: Any, params: dict[str, Any], encoder: Any) -> Any:
    """Make the estimator that a file describes, and before it the one that it wraps."""
    if not isinstance(class_name, str) or class_name not in ESTIMATORS:
        raise ValueError(
            f"{path} holds a {class_name}, which this skdeepclust does not know; it knows "
            f"{sorted(ESTIMATORS)}."
        )
    with refusing(path):
        params = _as_today(ESTIMATORS[class_name], params)
    if "base" in params:
        base = params["base"]
        params["base"] = _unfitted(path, base["class"], base["params"], encoder)
    elif "encoder" in params and params["encoder"] is None:
        if encoder is None:
            raise ValueError(
                f"{path} was fitted with a torch module as encoder; pass "
                "load(path, encoder=module) with a module of the same architecture."
            )
        params["encoder"] = encoder
    with refusing(path):
        return ESTIMATORS[class_name](**params)


def _as_today(estimator: type[Any], params: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a file, by the names that they have now."""
    known = inspect.signature(estimator).parameters
    params = {RENAMED.get(name, name): value for name, value in params.items()}
    params = {k: v for k, v in params.items() if k in known or k not in LEFT_OUT}
    if params.get("eps", 0) is None:
        params["eps"] = known["eps"].default
    if params.get("constraint", "") is None:  # of SeCu: nothing weighed the sizes
        params |= {"constraint": "entropy", "alpha": 0.0}
    return params
