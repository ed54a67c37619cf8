"""The app of quality control."""

from django.apps import AppConfig


class QualityControlConfig(AppConfig):
    name = "qc"
    verbose_name = "Quality control"
