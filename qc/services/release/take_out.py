"""Taking a video, clip or person out of all releases, as when consent is withdrawn.

Releases that hold it are marked and can no longer be downloaded; the next release, which is
requested at once with the options of the newest, leaves it out and says why. A person is taken
out with every clip that shows it, because its pixels are in them.
"""

import json
from pathlib import Path
from typing import NamedTuple

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext

from datasets.models import Clip, Dataset, Video
from qc.core.release.options import ReleaseOptions
from qc.models import Release, TakenOut
from qc.selectors.release.approved_clips import clips_showing, clips_taken_out
from qc.services.release.make_release import request_release

MAX_REASON = 2000  # characters


class TakeOutError(ValueError):
    """Something cannot be taken out; the message names it and says why."""


class TakeOutResult(NamedTuple):
    """What was taken out, the releases that are marked now, and the one that follows them."""

    taken_out: TakenOut
    marked: list[Release]
    successor: Release | None  # None if no release held it

    @property
    def sentence(self) -> str:
        """What happened, for the page and the command."""
        if self.successor is None:
            return gettext("%(what)s will be in no release. None that exists holds it.") % {
                "what": self.taken_out.what
            }
        numbers = ", ".join(str(release.number) for release in self.marked)
        return gettext(
            "%(what)s is taken out. Release %(numbers)s held it and can't be "
            "downloaded any more; release %(successor)s follows without it."
        ) % {
            "what": self.taken_out.what,
            "numbers": numbers,
            "successor": self.successor.number,
        }


def take_out(
    dataset: Dataset, what: str, *, reason: str, user: User | None = None
) -> TakeOutResult:
    """Take `what` out: `street-1`, a clip `street-1-c0003`, or a person `street-1:7`.

    A second time changes nothing but releases that were made meanwhile.

    Raises:
        TakeOutError: if it is not in the dataset, or no reason is given.
    """
    reason = " ".join(reason.split())[:MAX_REASON]
    if not reason:
        raise TakeOutError(gettext("Say why: the reason is printed in both releases."))
    video, clip, person_id = _parsed(dataset, what)
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        one, _ = TakenOut.objects.get_or_create(
            dataset=dataset, video=video, clip=clip, person_id=person_id,
            defaults={"reason": reason, "taken_out_by": user},
        )  # fmt: skip
        names = {name for name in clips_taken_out(dataset) if _is_meant(dataset, one, name)}
        marked = [
            release
            for release in Release.objects.filter(dataset=dataset).done().order_by("number")
            if _holds(release, names) and not _is_marked(release, one)
        ]
        if not marked:
            return TakeOutResult(one, [], None)
        successor = request_release(dataset, user=user, options=_options(marked[-1]))
        for release in marked:
            erratum = {
                "what": one.what, "reason": one.reason, "clips": sorted(names),
                "at": one.taken_out_at.date().isoformat(), "successor": successor.number,
            }  # fmt: skip
            release.errata = [*release.errata, erratum]
            Release.objects.filter(pk=release.pk).update(errata=release.errata)
    return TakeOutResult(one, marked, successor)


def _parsed(dataset: Dataset, what: str) -> tuple[str, str, int]:
    """Video, clip and person of the text; raises TakeOutError if there is none."""
    name, has_person, person = what.strip().partition(":")
    if not has_person:
        clip = Clip.objects.filter(video__dataset=dataset, name=name).select_related("video")
        if found := clip.first():
            return found.video.name, name, 0
    if not Video.objects.filter(dataset=dataset, name=name).exists():
        raise TakeOutError(
            gettext(
                "%(dataset)s has no video and no clip %(name)r: name a video (street-1), a "
                "clip (street-1-c0003) or a person (street-1:7)."
            )
            % {"dataset": dataset, "name": name}
        )
    if not has_person:
        return name, "", 0
    if not person.isdecimal() or not clips_showing(dataset, name, int(person)):
        raise TakeOutError(
            gettext("%(name)s has no person %(person)r.") % {"name": name, "person": person}
        )
    return name, "", int(person)


def _is_meant(dataset: Dataset, one: TakenOut, name: str) -> bool:
    if one.clip:
        return name == one.clip
    of_video = Clip.objects.filter(video__dataset=dataset, video__name=one.video, name=name)
    if one.person_id:
        return name in clips_showing(dataset, one.video, one.person_id)
    return of_video.exists()


def _holds(release: Release, clips: set[str]) -> bool:
    """Whether a release has one of the clips; true if its files cannot tell any more."""
    try:
        path = Path(default_storage.path(release.folder)) / "manifest.json"
        manifest = json.loads(path.read_bytes())
        return any(video["video_id"] in clips for video in manifest["videos"])
    except (NotImplementedError, OSError, ValueError):
        videos = set(release.counts.get("split_of", {}))
        owners = Clip.objects.filter(name__in=clips).values_list("video__name", flat=True)
        return bool(videos & set(owners))


def _is_marked(release: Release, one: TakenOut) -> bool:
    return any(erratum["what"] == one.what for erratum in release.errata)


def _options(release: Release) -> ReleaseOptions:
    return ReleaseOptions.read(release.options)
