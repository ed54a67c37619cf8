"""Importers of annotations made with other tools, one file each; `registry.py` lists them."""
