"""Reads for the pages of datasets, uploads and videos, in a fixed number of queries."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import (
    Count,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    Window,
)
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.recordings import is_shared, recording_groups
from datasets.core.roles import Act
from datasets.core.vocabulary import Vocabulary, VocabularyAction, VocabularyGroup
from datasets.core.zip_reader import SYSTEM_FILE
from datasets.models import Clip, Dataset, Member, SharedFootage, Transfer, Upload, Video

POSTERS_PER_CARD = 4
VIDEOS_FOR_SPEED = 20
MIN_SHARE_FOR_SPEED = 0.02
NOTES_SHOWN, NAMES_SHOWN = 12, 5


def permitted_datasets(user: User | AnonymousUser, *acts: Act) -> QuerySet[Dataset]:
    """Datasets in which `user` may do all of `acts`, each with `may`; default: may see."""
    own = Member.objects.filter(dataset=OuterRef("pk"), user=user.pk or 0)
    role = Value(Member.Role.OWNER) if user.is_superuser else Subquery(own.values("role")[:1])
    return Dataset.objects.permitting(user, *acts).annotate(role=role)


def only_annotates(user: User | AnonymousUser) -> bool:
    """Whether `user` is an annotator and nothing else: they see their own tasks alone."""
    if user.is_superuser or user.is_staff:
        return False
    roles = set(Member.objects.filter(user=user.pk or 0).values_list("role", flat=True))
    return roles == {Member.Role.ANNOTATOR}


def permitted_clips(user: User | AnonymousUser, dataset: str, *acts: Act) -> QuerySet[Clip]:
    """The clips of the dataset named `dataset`; none of a dataset where `user` may not."""
    return Clip.objects.permitting(user, *acts).filter(video__dataset__name=dataset)


def dataset_cards(user: User | AnonymousUser) -> list[dict[str, Any]]:
    """One card per dataset: counts, progress of its videos, posters."""
    datasets = list(permitted_datasets(user))
    videos = _by_dataset(
        Video.objects.filter(dataset__in=datasets).values("dataset").annotate(
            count=Count("pk"),
            ready=Count("pk", filter=Q(stage=Stage.DONE)),
            failed=Count("pk", filter=Q(stage=Stage.FAILED)),
            frames=Coalesce(Sum("frame_count"), 0),
        )
    )  # fmt: skip
    clips = _by_dataset(
        Clip.objects.filter(video__dataset__in=datasets)
        .values(dataset=F("video__dataset"))
        .annotate(count=Count("pk"))
    )
    posters = _posters(datasets)
    return [
        {
            "dataset": dataset,
            "videos": videos.get(dataset.pk, {}).get("count", 0),
            "ready": videos.get(dataset.pk, {}).get("ready", 0),
            "failed": videos.get(dataset.pk, {}).get("failed", 0),
            "seconds": videos.get(dataset.pk, {}).get("frames", 0) / FRAME_RATE,
            "clips": clips.get(dataset.pk, {}).get("count", 0),
            "posters": posters.get(dataset.pk, []),
        }
        for dataset in datasets
    ]


def _by_dataset(rows: Any) -> dict[int, dict[str, Any]]:
    return {row["dataset"]: row for row in rows.order_by()}


def _posters(datasets: list[Dataset]) -> dict[int, list[str]]:
    """Names of the first clips with a poster, by dataset."""
    place = Window(RowNumber(), partition_by=F("video__dataset"), order_by=F("pk").asc())
    rows = (
        Clip.objects.filter(video__dataset__in=datasets)
        .exclude(poster="")
        .annotate(place=place)
        .filter(place__lte=POSTERS_PER_CARD)
        .order_by("pk")
        .values_list("video__dataset", "name")
    )
    found: dict[int, list[str]] = {}
    for dataset, name in rows:
        found.setdefault(dataset, []).append(name)
    return found


def videos_of(dataset: Dataset) -> QuerySet[Video]:
    """The videos of `dataset` by name, with `clip_count` and `clips_done`."""
    return dataset.videos.annotate(
        clip_count=_count_of(Clip.objects.all()), clips_done=_count_of(Clip.objects.done())
    ).order_by("dataset", "name")


def _count_of(clips: QuerySet[Clip]) -> Coalesce:
    """How many of `clips` a video has; counted for the videos of a page only."""
    own = clips.filter(video=OuterRef("pk")).order_by().values("video")
    return Coalesce(Subquery(own.annotate(count=Count("pk")).values("count")), 0)


def settings_of(dataset: Dataset | None) -> dict[str, Any]:
    """Initial settings of a new dataset that re-cuts the videos of `dataset`."""
    if dataset is None:
        return {}
    values = {name: getattr(dataset, name) for name in dataset.SETTINGS}
    return values | {"videos_of": dataset.name}


class VideoState(NamedTuple):
    """The state of a video; `share` done is 0 to 1, or None if nothing is running."""

    sentence: str
    share: float | None = None
    seconds_left: float | None = None


def states_of(videos: Iterable[Video]) -> list[VideoState]:
    """The state of each of `videos` (from `videos_of`), in a few queries.

    The time left of a waiting video is estimated from the speed of the latest ones.
    """
    speed, queue = _seconds_per_byte(), _queue()
    return [_state(video, speed, queue) for video in videos]


def _state(video: Any, speed: float | None, queue: "_Queue") -> VideoState:
    if video.stage == Stage.RUNNING:
        return VideoState(_("Converting"), video.progress, _left(video))
    if video.stage == Stage.WAITING:
        count, size = queue.before(video.pk)
        left = speed and (size / queue.workers + video.size) * speed
        return VideoState(
            _("Waiting, %(count)s ahead") % {"count": count} if count else _("Next in line"),
            None,
            left or None,
        )
    if video.stage == Stage.DONE and video.clips_done < video.clip_count:
        sentence = _("%(clips_done)s of %(clip_count)s clips cut") % {
            "clips_done": video.clips_done,
            "clip_count": video.clip_count,
        }
        return VideoState(sentence, video.clips_done / video.clip_count)
    return VideoState("")


def _left(video: Video) -> float | None:
    """Seconds until a running video is done, by its own speed."""
    if not video.started_at or video.progress < MIN_SHARE_FOR_SPEED:
        return None
    elapsed = (timezone.now() - video.started_at).total_seconds()
    return elapsed * (1 - video.progress) / video.progress


def _seconds_per_byte() -> float | None:
    """Processing seconds per byte of raw video, of the latest videos."""
    done = Video.objects.done().filter(started_at__isnull=False, size__gt=0)
    last = list(done.order_by("-finished_at")[:VIDEOS_FOR_SPEED])
    seconds = sum(_seconds_of_work(video) for video in last)
    return seconds / sum(video.size for video in last) if last else None


def _seconds_of_work(video: Video) -> float:
    if not video.started_at or not video.finished_at:
        return 0.0
    return (video.finished_at - video.started_at).total_seconds()


class _Queue(NamedTuple):
    """Videos of all datasets in processing order: (key, bytes left)."""

    rows: list[tuple[int, float]]
    workers: int

    def before(self, pk: int) -> tuple[int, float]:
        sizes = [size for key, size in self.rows if key < pk]
        return len(sizes), sum(sizes)


def _queue() -> _Queue:
    rows = Video.objects.open().order_by("pk")
    found = list(rows.values_list("pk", "size", "progress", "stage"))
    running = sum(stage == Stage.RUNNING for *_, stage in found)
    return _Queue([(pk, size * (1 - share)) for pk, size, share, _ in found], max(running, 1))


def uploads_of(dataset: Dataset) -> QuerySet[Upload]:
    """The uploads of `dataset` with `video_count`, newest first."""
    return dataset.uploads.annotate(video_count=Count("videos")).order_by("-pk")


def transfers_of(dataset: Dataset, user: User | AnonymousUser) -> QuerySet[Transfer]:
    """The unfinished uploads of `user`, the latest first."""
    return dataset.transfers.filter(user_id=user.pk or 0, upload=None)


def first_posters(videos: Iterable[Video]) -> dict[int, str]:
    """The name of the first clip with a poster of each video, by the key of the video."""
    clips = Clip.objects.filter(video__in=[video.pk for video in videos]).exclude(poster="")
    first: dict[int, str] = {}
    for video, name in clips.order_by("start_frame").values_list("video", "name"):
        first.setdefault(video, name)
    return first


def probe_facts(video: Video) -> list[tuple[str, str]]:
    """Properties of the raw file as (label, text)."""
    facts = {"file": f"{video.original_name}"}
    properties = {name: value for name, value in video.probe.items() if name != "left_out"}
    facts |= {name.replace("_", " "): _text(value) for name, value in properties.items()}
    return [(name, value) for name, value in facts.items() if value]


def recording_groups_of(dataset: Dataset) -> dict[str, str]:
    """The recording group of each video, by their names; a few queries, whatever the size."""
    frames: dict[str, int] = {}
    labels: dict[str, str] = {}
    videos = dataset.videos.order_by("name")
    for name, label, count in videos.values_list("name", "group", "frame_count"):
        labels[name], frames[name] = label.strip().casefold(), count or 0
    rows = SharedFootage.objects.filter(video__dataset=dataset).order_by()
    shared: dict[tuple[str, str], float] = {}
    links = []
    for name, other, kind, seconds in rows.values_list(
        "video__name", "other__name", "kind", "seconds"
    ):
        if kind == SharedFootage.Kind.CHAPTER:
            links.append((name, other))
        else:
            shared[name, other] = shared.get((name, other), 0.0) + seconds
    links += [
        (one, other)
        for (one, other), seconds in shared.items()
        if is_shared(seconds, frames[one] / FRAME_RATE, frames[other] / FRAME_RATE)
    ]
    return recording_groups(labels, links)


class RecordingGroup(NamedTuple):
    """Videos that get one split, and why they belong together, as sentences."""

    videos: list[str]
    reasons: list[str]


def recording_groups_with_reasons(dataset: Dataset) -> list[RecordingGroup]:
    """The groups of more than one video, by name."""
    members: dict[str, list[str]] = {}
    for name, group in sorted(recording_groups_of(dataset).items()):
        members.setdefault(group, []).append(name)
    shared = _sentences_of(SharedFootage.objects.filter(video__dataset=dataset))
    reasons: dict[str, list[str]] = {}
    for pk, name, label in dataset.videos.order_by().values_list("pk", "name", "group"):
        if label:
            sentence = _("%(name)s is of the group %(label)s.")
            reasons[name] = [sentence % {"name": name, "label": label}]
        if pk in shared:
            reasons.setdefault(name, []).extend(shared[pk])
    return [
        RecordingGroup(names, [one for name in names for one in reasons.get(name, ())])
        for names in members.values()
        if len(names) > 1
    ]


def shared_sentences(videos: Iterable[Video]) -> dict[int, list[str]]:
    """Sentences about footage that each video shares with earlier ones, by its key."""
    return _sentences_of(SharedFootage.objects.filter(video__in=[one.pk for one in videos]))


def _sentences_of(rows: QuerySet[SharedFootage]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    shown = rows.select_related("video", "other").only(
        "kind", "start", "other_start", "seconds", "video__name", "other__name"
    )
    for one in shown:
        found.setdefault(one.video_id, []).append(_shared_sentence(one))
    return found


def _shared_sentence(one: SharedFootage) -> str:
    if one.kind == SharedFootage.Kind.CHAPTER:
        first, second = (one.video, one.other) if one.start else (one.other, one.video)
        sentence = _("%(second)s continues %(first)s: chapters of one recording.")
        return sentence % {"second": second, "first": first}
    end, other_end = one.start + one.seconds, one.other_start + one.seconds
    return _(
        "Seconds %(start).1f-%(end).1f of %(video)s show what seconds "
        "%(other_start).1f-%(other_end).1f of %(other)s show."
    ) % {
        "start": one.start, "end": end, "video": one.video,
        "other_start": one.other_start, "other_end": other_end, "other": one.other,
    }  # fmt: skip


def footage_notes(dataset: Dataset, videos: Iterable[int]) -> list[str]:
    """Sentences about what the clips of these videos do not show of the files uploaded."""
    named: dict[str, list[str]] = {}
    wanted, full = set(videos), dataset.clip_seconds * FRAME_RATE
    rows = dataset.videos.order_by("name")
    for pk, name, probe, unreadable, stills in rows.values_list(
        "pk", "name", "probe", "unreadable", "stills"
    ):
        if pk not in wanted:
            continue
        still = [[start, stop] for start, stop in stills if stop - start > full]
        sentences = [
            *probe.get("left_out", []),
            *[_("Some seconds are unreadable: no clip has them.")] * bool(unreadable),
            *[_("Nothing changes for longer than a clip: no clip shows it.")] * bool(still),
        ]
        for sentence in sentences:
            named.setdefault(sentence, []).append(name)
    found = [f"{sentence[:-1]} ({_first_names(names)})." for sentence, names in named.items()]
    return [*_first(found, _("more notes on videos")), *_skipped(dataset)]


def _skipped(dataset: Dataset) -> list[str]:
    """One sentence about the files of uploads that are no videos; none if there are none."""
    lists = dataset.uploads.exclude(skipped_files=[]).values_list("skipped_files", flat=True)
    files = [
        f"{file['name']}: {file['reason']}"
        for skipped in lists
        for file in skipped
        if not file["reason"].startswith(SYSTEM_FILE)
    ]
    if not files:
        return []
    names = "; ".join(_first(sorted(files), _("more files")))
    return [_("Files that were not used: %(names)s.") % {"names": names}]


def _first(texts: list[str], noun: str) -> list[str]:
    more = len(texts) - NOTES_SHOWN
    return [*texts[:NOTES_SHOWN], *[f"{more} {noun}"] * (more > 0)]


def _first_names(names: list[str]) -> str:
    more = len(names) - NAMES_SHOWN
    shown = ", ".join(names[:NAMES_SHOWN])
    if more <= 0:
        return shown
    sentence = ngettext(
        "%(names)s and %(count)d more video", "%(names)s and %(count)d more videos", more
    )
    return sentence % {"names": shown, "count": more}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, list | tuple):
        return ", ".join(_text(each) for each in value)
    return "" if value is None else str(value)


def vocabulary_of(dataset: Dataset) -> Vocabulary:
    """The vocabulary of `dataset`, in the order that annotators see."""
    return tuple(
        VocabularyGroup(
            group.name, group.choice, group.required, group.label_type, group.max_per_person,
            tuple(VocabularyAction(one.action_id, one.name) for one in group.shown_actions()),
            group.scope,
        )
        for group in dataset.groups.prefetch_related("actions")
    )  # fmt: skip
