"""Benchmarks, run by `./ava bench`, with the settings of the product."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avaproject.settings")
