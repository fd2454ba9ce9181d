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
from .heads import predictor, projector

__all__ = [
    "MomentumCopy",
    "build_decoder",
    "build_encoder",
    "build_trunk",
    "check_encoder",
    "count_features",
    "parse_encoder",
    "predictor",
    "projector",
]
