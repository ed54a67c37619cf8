"""Readers of annotations that other tools wrote, each into one `ImportedDocument`."""
