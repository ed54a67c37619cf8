"""Consensus of several annotators: identity, votes, boxes, and error rates of annotators."""

from qc.core.consensus.dawid_skene import DawidSkene, dawid_skene
from qc.core.consensus.majority import fuse_boxes, majority, majority_set

__all__ = ["DawidSkene", "dawid_skene", "fuse_boxes", "majority", "majority_set"]
