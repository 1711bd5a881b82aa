"""RMPE: a spatial transformer before a single-person estimator and its inverse behind (Fang et al., ICCV 2017).

Built from the paper's and the poster's text and closed forms alone.
"""

from .estimator import PARALLEL, SymmetricSTN
from .localisation import BackboneLocalisation, LocalisationNet
from .transformer import inverse, transformed

__all__ = ["PARALLEL", "BackboneLocalisation", "LocalisationNet", "SymmetricSTN", "inverse", "transformed"]
