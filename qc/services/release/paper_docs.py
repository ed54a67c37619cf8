"""Documents of a release for papers and hubs: citation, Croissant, the header of the card."""

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

from datasets.core.hashing import sha256_of
from qc.core.release.docs.card import CardFacts
from qc.core.release.docs.citation import KEYWORDS, CitationFacts, citation
from qc.core.release.docs.croissant import CroissantFacts, croissant
from qc.core.release.docs.hub import hub_header
from qc.core.release.docs.methods import MethodsFacts, annotation_sentence, consensus_sentence
from qc.models import Release
from qc.services.release.release_plan import ReleasePlan, WrittenAnnotations

DESCRIBED = (  # files that Croissant describes one by one
    "AVA_dataset.csv", "annotations/ava_action_list.pbtxt", "provenance.parquet",
    "provenance_boxes.parquet", "provenance_proposals.parquet",
)  # fmt: skip
ABSTRACT = "People and what they do, once a second: spatio-temporal action localisation."


def citation_text(release: Release, plan: ReleasePlan) -> str:
    """The text of `CITATION.cff`."""
    options = plan.options
    facts = CitationFacts(
        str(release.dataset),
        plan.version,
        options.authors,
        options.spdx,
        _day(release),
        release.dataset.description.strip() or ABSTRACT,
        [*KEYWORDS, *options.keywords],
        options.doi,
    )
    return citation(facts)


def header_text(title: str, plan: ReleasePlan, written: WrittenAnnotations) -> str:
    """The header of `README.md` for the Hugging Face Hub."""
    return hub_header(
        title,
        licence=plan.options.licence,
        labels=sum(each.labels.total() for each in written.counts.values()),
        splits=list(written.counts),
        has_tables="parquet" in plan.options.formats,
        keywords=[*KEYWORDS, *plan.options.keywords],
    )


def croissant_text(
    release: Release,
    folder: Path,
    plan: ReleasePlan,
    card: CardFacts,
    methods: MethodsFacts,
) -> str:
    """The text of `croissant.json`; the files that it describes are in `folder`."""
    options = plan.options
    paths = [*DESCRIBED, *sorted(_tables(folder))]
    facts = CroissantFacts(
        name=release.folder_name,
        description=release.dataset.description.strip() or ABSTRACT,
        version=plan.version,
        released=_day(release),
        licence=options.licence,
        authors=options.authors,
        cite_as=_cite_as(release, plan),
        sums={path: sha256_of(folder / path) for path in paths},
        keywords=[*KEYWORDS, *options.keywords],
        answers=plan.answers,
        is_simulated=card.is_simulated,
        has_frames=options.with_frames,
        has_clips=options.with_clips,
        annotators=methods.annotators,
        per_item=methods.clips,
        agreement=_agreement(card),
        protocol=f"{annotation_sentence(methods)} {consensus_sentence(methods)}",
        preprocessing=(
            "Videos were converted to H.264 with 30 upright frames per second, and cut into "
            f"clips of {card.clip_seconds} s; keyframes are whole seconds."
            + (f" {card.blurring}" if card.blurring else "")
        ),
        blurring=card.blurring,
        machines=[f"Detector and tracker: {line}" for line in card.detectors],
        limitations=[*card.warnings, *_limitations(card)],
        url=f"https://doi.org/{options.doi}" if options.doi else "",
    )
    return croissant(facts)


def _tables(folder: Path) -> list[str]:
    place = folder / "formats" / "parquet"
    return [f"formats/parquet/{path.name}" for path in place.glob("*.parquet")]


def _day(release: Release) -> str:
    """The day on which a release was requested, in UTC: the same whenever it is made again."""
    return release.created_at.astimezone(UTC).date().isoformat()


def _cite_as(release: Release, plan: ReleasePlan) -> str:
    authors = ", ".join(plan.options.authors) or f"The annotators of {release.dataset}"
    doi = f" https://doi.org/{plan.options.doi}" if plan.options.doi else ""
    year = _day(release)[:4]
    return f"{authors}: {release.dataset}, version {plan.version} ({year}).{doi}"


def _agreement(card: CardFacts) -> str:
    figures = card.agreement
    if figures is None or not figures.clips_compared:
        return "No clip was annotated by two or more."
    alphas = [
        f"{group.name} {group.alpha.value:.2f}"
        for group in figures.groups
        if group.alpha.value is not None
    ]
    said = ", ".join(alphas) or "not defined for any group"
    return (
        f"Krippendorff's alpha before adjudication, on {figures.clips_compared} of "
        f"{figures.clips} clips: {said}. METHODS.md has all figures with intervals."
    )


def _limitations(card: CardFacts) -> Sequence[str]:
    used = {action for each in card.counts.values() for action in each.labels}
    unused = [one.name for one in card.actions if one.action_id not in used]
    return [f"Actions without a label: {', '.join(unused)}."] if unused else []
