"""Answers from files: imported for tasks, and accepted although they look wrong."""

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from annotation.forms.tasks import AnswersForm
from annotation.models import AnnotationTask, AnswerVersion
from annotation.services.answer_files import Imported, import_answers
from annotation.services.answers import confirm_answers
from avaproject.base.temporary import work_folder
from avaproject.base.views import parse_key
from datasets.core.roles import Act
from datasets.models import Dataset
from datasets.selectors import permitted_datasets

REFUSALS_SHOWN = 5


@login_required
@require_POST
def answers(request: HttpRequest, name: str) -> HttpResponse:
    """Import answers: of the task posted as `task`, or of the tasks named by the files."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.REVIEW), name=name)
    form = AnswersForm(request.POST, request.FILES)
    if not form.is_valid():
        for message in form.errors.get("answers", [_("Choose the answer files first.")]):
            messages.error(request, str(message))
        return redirect("qc:tasks", name=name)
    pk = request.POST.get("task", "")
    stem = ""
    if pk:
        task = get_object_or_404(AnnotationTask.objects.of(dataset), pk=parse_key(pk))
        stem = str(task)
    with work_folder() as folder:
        _save_files(form.cleaned_data["answers"], folder, stem=stem)
        imported = import_answers(dataset, folder)
    _add_messages(request, imported)
    return redirect("qc:tasks", name=name)


def _save_files(files: Iterable[UploadedFile], folder: Path, *, stem: str) -> None:
    """Write `files` into `folder`, under their own names or under that of the task `stem`."""
    for file in files:
        name = PurePosixPath(file.name or "answers.xml").name
        if stem:
            name = stem + PurePosixPath(name).suffix.lower()
        with (folder / name).open("wb") as target:
            shutil.copyfileobj(file, target)


def _add_messages(request: HttpRequest, imported: Imported) -> None:
    if imported.received:
        sentence = ngettext(
            "%d answer file imported.", "%d answer files imported.", imported.received
        )
        messages.success(request, sentence % imported.received)
    if imported.unchanged:
        sentence = _("Unchanged since the last import: %(count)d.")
        messages.info(request, sentence % {"count": imported.unchanged})
    for file, reason in imported.refused[:REFUSALS_SHOWN]:
        messages.error(request, f"{file}: {reason}")
    if len(imported.refused) > REFUSALS_SHOWN:
        rest = len(imported.refused) - REFUSALS_SHOWN
        sentence = ngettext("%d more file was refused.", "%d more files were refused.", rest)
        messages.error(request, sentence % rest)


@login_required
@require_POST
def accept_answers(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Read answers that were held back as they are."""
    dataset = get_object_or_404(
        Dataset.objects.permitting(request.user, Act.OVERRIDE), name=name
    )
    versions = AnswerVersion.objects.filter(task__clip__video__dataset=dataset)
    version = get_object_or_404(versions.select_related("task"), pk=pk)
    if confirm_answers(version, user=cast(User, request.user)):
        messages.success(
            request,
            _("%(version)s is accepted as it is and will be read.") % {"version": version},
        )
    else:
        messages.info(request, _("%(version)s is not held back.") % {"version": version})
    return redirect("qc:tasks", name=name)
