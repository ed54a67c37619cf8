"""What the CVAT project of a dataset knows of its vocabulary: {% load cvat_state %}."""

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from annotation.models import CvatProject
from avaproject.base.work import Stage
from datasets.models import Dataset

register = template.Library()


@register.simple_tag
def cvat_state(dataset: Dataset) -> SafeString | str:
    """A message on whether CVAT took the questions and guidelines; "" without a project."""
    project = CvatProject.objects.filter(dataset=dataset).first()
    if project is None:
        return ""
    tone, text = "info", _("What is changed here is sent to the CVAT project within a minute.")
    if project.stage == Stage.FAILED:
        tone, text = (
            "warning",
            _("CVAT did not take the last change: %(error)s") % {"error": project.error},
        )
    elif project.stage != Stage.DONE:
        text = _("The last change is being sent to CVAT.")
    context = {"tone": tone, "text": text, "dataset": dataset}
    return render_to_string("annotation/_cvat_state.html", context)
