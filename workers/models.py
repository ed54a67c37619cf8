"""What workers share: the version of the database, and plans that fail."""

from django.db import models
from django.db.models.functions import Now


class InstalledVersion(models.Model):
    """The version of AVA Studio that migrated this database last; one row."""

    version = models.CharField(max_length=40)
    installed_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.version


class PlanFault(models.Model):
    """A step whose plan fails on a machine; the row is deleted when it works again."""

    step = models.CharField(max_length=60)
    host = models.CharField(max_length=200)
    message = models.TextField()
    since = models.DateTimeField(db_default=Now(), editable=False)
    seen_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["step", "host"]
        constraints = [
            models.UniqueConstraint("step", "host", name="one_fault_per_step_and_machine")
        ]

    def __str__(self) -> str:
        return f"{self.step} on {self.host}: {self.message}"
