"""`croissant.json`: a release in Croissant 1.0 with the Responsible-AI vocabulary 1.0.

Format: https://docs.mlcommons.org/croissant/docs/croissant-spec.html and
https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html. What annotation has done is
written from the provenance of the release; what its makers know, from the datasheet.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qc.core.release.packing import NO_LICENCE

CONFORMS_TO = (
    "http://mlcommons.org/croissant/1.0",
    "http://mlcommons.org/croissant/RAI/1.0",
)
LABELS = "AVA_dataset.csv"
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
COLUMNS = (  # of AVA_dataset.csv: name, type, what it is
    ("video_id", "sc:Text", "The clip."),
    ("timestamp", "sc:Integer", "Second; a clip begins at 900."),
    ("x1", "sc:Float", "Left side of the box, as a share of the width."),
    ("y1", "sc:Float", "Upper side, as a share of the height."),
    ("x2", "sc:Float", "Right side, as a share of the width."),
    ("y2", "sc:Float", "Lower side, as a share of the height."),
    ("action_id", "sc:Integer", "The action; names are in ava_action_list.pbtxt."),
    ("person_id", "sc:Integer", "The person, unique in the source video."),
    ("split", "sc:Text", "train, val or test."),
)
MEDIA_TYPES = {
    "csv": "text/csv", "json": "application/json", "parquet": "application/x-parquet",
    "pbtxt": "text/plain", "txt": "text/plain", "pkl": "application/octet-stream",
    "md": "text/markdown",
}  # fmt: skip


@dataclass(frozen=True)
class CroissantFacts:
    """What the description of a release says.

    Attributes:
        name: A short name without spaces.
        released: Day, `2026-01-31`.
        licence: As in the options of a release.
        sums: SHA-256 of the files that are described one by one, by path.
        answers: Of the datasheet, by the keys of its questions.
        annotators: How many annotated.
        per_item: Number of annotators -> clips that so many annotated.
        agreement: Sentences of the methods.
        protocol: How labels were asked and decided.
        machines: What made the proposals.
        limitations: Sentences: what is excluded, rare or lacking.
    """

    name: str
    description: str
    version: str
    released: str
    licence: str
    authors: Sequence[str]
    cite_as: str
    sums: Mapping[str, str]
    keywords: Sequence[str]
    answers: Mapping[str, str]
    is_simulated: bool
    has_frames: bool
    has_clips: bool
    annotators: int
    per_item: Mapping[int, int]
    agreement: str
    protocol: str
    preprocessing: str
    machines: Sequence[str]
    limitations: Sequence[str] = field(default_factory=list)
    url: str = ""  # where the release is, by its DOI
    blurring: str = ""  # how faces are blurred; empty if they are not


def croissant(facts: CroissantFacts) -> str:
    """The text of the file; the same facts give the same text."""
    creators = [{"@type": "Person", "name": name} for name in facts.authors] or [
        {"@type": "Organization", "name": f"The annotators of {facts.name}"}
    ]
    content: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": facts.name,
        "description": facts.description,
        "conformsTo": list(CONFORMS_TO),
        **({"license": _licence(facts.licence)} if facts.licence else {}),
        **({"url": facts.url} if facts.url else {}),
        "version": facts.version,
        "datePublished": facts.released,
        "creator": creators,
        "citeAs": facts.cite_as,
        "keywords": list(facts.keywords),
        "isLiveDataset": False,
        "distribution": _distribution(facts),
        "recordSet": [_labels()],
    }  # fmt: skip
    return json.dumps(content | _responsible(facts), indent=1, ensure_ascii=False) + "\n"


def _licence(licence: str) -> str | dict[str, str]:
    if licence == NO_LICENCE:
        return {"@type": "sc:CreativeWork", "name": "None: it may not be passed on."}
    return f"https://spdx.org/licenses/{licence}.html"


def _distribution(facts: CroissantFacts) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject", "@id": path, "name": path, "contentUrl": path,
            "encodingFormat": MEDIA_TYPES.get(path.rpartition(".")[2], "text/plain"),
            "sha256": digest,
        }
        for path, digest in facts.sums.items()
    ]  # fmt: skip
    sets = [
        ("rawframes", "image/jpeg", "rawframes/*/*.jpg", "Frames, 30 a second.")
    ] * facts.has_frames + [
        ("clips", "video/mp4", "clips/*.mp4", "Clips, 30 frames a second.")
    ] * facts.has_clips
    return files + [
        {
            "@type": "cr:FileSet", "@id": name, "name": name, "description": what,
            "encodingFormat": media, "includes": pattern,
        }
        for name, media, pattern, what in sets
    ]  # fmt: skip


def _labels() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "labels",
        "name": "labels",
        "description": "A row for each action of a person at a keyframe.",
        "field": [
            {
                "@type": "cr:Field", "@id": f"labels/{name}", "name": name,
                "description": what, "dataType": kind,
                "source": {"fileObject": {"@id": LABELS}, "extract": {"column": name}},
            }
            for name, kind, what in COLUMNS
        ],
    }  # fmt: skip


def _responsible(facts: CroissantFacts) -> dict[str, Any]:
    """The fields of Responsible AI; those without an answer are left out."""
    answers = facts.answers
    who = "Simulated annotators" if facts.is_simulated else "Annotators"
    share = ", ".join(f"{clips} clips by {n}" for n, clips in sorted(facts.per_item.items()))
    found = {
        "dataCollection": _joined(answers.get("place"), answers.get("people")),
        "dataCollectionType": ["Observations", "Videos"],
        "dataPreprocessingProtocol": [facts.preprocessing],
        "dataAnnotationProtocol": [facts.protocol],
        "dataAnnotationPlatform": ["AVA Studio"],
        "dataAnnotationAnalysis": [facts.agreement],
        "annotationsPerItem": f"{who}: {facts.annotators} in all; {share}.",
        "annotatorDemographics": [answers.get("annotators", "")],
        "machineAnnotationTools": list(facts.machines),
        "personalSensitiveInformation": [
            _joined(answers.get("identity"), answers.get("consent"), facts.blurring)
        ],
        "dataUseCases": [answers.get("uses", "")],
        "dataLimitations": [*facts.limitations, answers.get("refused_uses", "")],
        "dataSocialImpact": answers.get("ethics", ""),
        "dataReleaseMaintenancePlan": _joined(answers.get("maintainer"), answers.get("errata")),
    }
    cleaned = {
        key: [one for one in value if one] if isinstance(value, list) else value
        for key, value in found.items()
    }
    return {f"rai:{key}": value for key, value in cleaned.items() if value}


def _joined(*texts: str | None) -> str:
    return " ".join(text.strip() for text in texts if text and text.strip())
