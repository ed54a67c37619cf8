"""Consensus of several annotators: identity, votes, boxes, and error rates of annotators."""

from qc.core.consensus.answer_votes import fuse_boxes, majority, majority_set
from qc.core.consensus.dawid_skene import DawidSkene, dawid_skene

__all__ = ["DawidSkene", "dawid_skene", "fuse_boxes", "majority", "majority_set"]
