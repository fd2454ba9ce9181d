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
    normalized_mlp,
    perceptron,
    predictor,
    projector,
)
from .principal import PrincipalSpaces
from .work import multiplications

__all__ = [
    "CosineHeads",
    "MomentumCopy",
    "PrincipalSpaces",
    "build_decoder",
    "build_encoder",
    "build_trunk",
    "check_encoder",
    "count_features",
    "hidden_layer",
    "instance_head",
    "linear_map",
    "multiplications",
    "normalized_mlp",
    "parse_encoder",
    "perceptron",
    "predictor",
    "projector",
]
