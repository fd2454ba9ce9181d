"""Networks and their first weights. No data, no loss and no paper."""

from .build import (
    build_decoder,
    build_encoder,
    build_trunk,
    check_encoder,
    count_features,
    parse_encoder,
)
from .ema import MomentumCopy
from .heads import (
    CosineHeads,
    hidden_layer,
    instance_head,
    linear_map,
    perceptron,
    predictor,
    projector,
)

__all__ = [
    "CosineHeads",
    "MomentumCopy",
    "build_decoder",
    "build_encoder",
    "build_trunk",
    "check_encoder",
    "count_features",
    "hidden_layer",
    "instance_head",
    "linear_map",
    "parse_encoder",
    "perceptron",
    "predictor",
    "projector",
]
