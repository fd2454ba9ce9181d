"""Networks that know nothing about any paper."""

from .build import build_decoder, build_encoder, check_encoder, parse_encoder

__all__ = ["build_decoder", "build_encoder", "check_encoder", "parse_encoder"]
