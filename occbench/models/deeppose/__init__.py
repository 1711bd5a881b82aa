"""DeepPose: the network, its codec and loss, and the cascade (Toshev and Szegedy, CVPR 2014)."""

from .cascade import DeepPoseCascade
from .codec import CentredLabel
from .head import CascadeHead
from .loss import SquaredErrorSum
from .network import DeepPoseNetwork

__all__ = ["CascadeHead", "CentredLabel", "DeepPoseCascade", "DeepPoseNetwork", "SquaredErrorSum"]
