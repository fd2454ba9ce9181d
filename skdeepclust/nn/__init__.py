"""Networks that know nothing about any paper."""

from .build import (
    build_decoder,
    build_encoder,
    build_trunk,
    check_encoder,
    count_features,
    parse_encoder,
)
from .ema import MomentumCopy
from .heads import hidden_layer, instance_head, linear_map, normalized_mlp, predictor, projector
from .principal import PrincipalSpaces

__all__ = [
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
    "normalized_mlp",
    "parse_encoder",
    "predictor",
    "projector",
]
