"""Sentences of the library in the words of the command line: flags in place of parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable

OWN = {  # parameters of the methods that are no flags under their own names
    "n_clusters": "-k",
    "random_state": "--seed",
    "verbose": "--quiet",
    "checkpoint": "--resume",
    "memory": "--cache",
    "encoder": "--encoder",
    "device": "--device",
}
_SPOKEN = {"checkpoint": "the checkpoint", "memory": "the cache"}  # before a value
_EQUATION = re.compile(r"[,;] (?:\w+ in )?Eqs?\. \(\d+\)")
_QUOTES = "'\""  # that a shell needs only around spaces
_VALUE = r"'[^']*'|\"[^\"]*\"|\([^()]*\)|[^\s,;:()`]*[^\s,;:().`]"


def flag_of(parameter: str) -> str:
    """The flag that sets a parameter of a method."""
    return OWN.get(parameter, "--" + parameter.replace("_", "-"))


def in_flags(text: str, parameters: Iterable[str]) -> str:
    """`text` with each parameter that it gives a value, demands of or quotes as one would type it.

    >>> in_flags("max_iter=-1 should be >= 0, or ``tol`` None.", ["max_iter", "tol"])
    '--max-iter -1 should be >= 0, or --tol None.'
    >>> in_flags("The 'lr' parameter of DECClustering must be a float.", ["lr"])
    '--lr must be a float.'
    """
    names = "|".join(sorted(parameters, key=len, reverse=True))
    if not names:
        return text
    text = re.sub(rf"`*(?<![\w.])({names})=(?:({_VALUE})`*|(?=\s))", _typed, text)
    for alone in (
        rf"The '({names})' parameter of \w+(?= must )",
        rf"^({names})(?= (?:must|should) )",
        rf"`+({names})`+",
    ):
        text = re.sub(alone, lambda found: flag_of(found[1]), text)
    return text


def _typed(found: re.Match[str]) -> str:
    name, value = found.groups()
    if value is None:
        return flag_of(name)
    if name in _SPOKEN:
        return f"{_SPOKEN[name]} {value}"
    return f"{flag_of(name)} {value if ' ' in value else value.strip(_QUOTES)}"


def for_help(text: str, parameters: Iterable[str]) -> str:
    """The sentence about a parameter without equations and backticks."""
    return in_flags(_EQUATION.sub("", text), parameters).replace("`", "")
