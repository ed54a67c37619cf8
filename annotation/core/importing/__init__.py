"""Annotations of other tools become answers: which clip, which person, which action."""
