"""`./ava sbom`: the bill of materials of what is installed to run AVA Studio.

Writes `sbom.cdx.json` (CycloneDX), with the packages of requirements.txt and torch, not those
of tests, and prints how many packages have each licence.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "sbom.cdx.json"
NAME = re.compile(r"[-_.]+")
OF_TORCH = re.compile(r"torch|torchvision|triton|nvidia-.+|cuda-.+")  # not in the lock


def main() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", "pyproject.toml"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    bill = without_tests(json.loads(made.stdout), (ROOT / "requirements.txt").read_text())
    OUT.write_text(json.dumps(bill, indent=1) + "\n")
    licences = Counter(licence_of(one) for one in bill["components"])
    for licence, count in licences.most_common():
        print(f"{count:4}  {licence}")
    print(f"{len(bill['components'])} packages in {OUT.name}")


def without_tests(bill: dict[str, Any], lock: str) -> dict[str, Any]:
    """`bill` without the packages that are neither in `lock` nor torch and what it needs."""
    names = {same_name(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    kept = [
        one
        for one in bill["components"]
        if (name := same_name(one["name"])) in names or OF_TORCH.fullmatch(name)
    ]
    known = {one["bom-ref"] for one in kept} | {bill["metadata"]["component"]["bom-ref"]}
    needs = [
        one | {"dependsOn": [ref for ref in one.get("dependsOn", ()) if ref in known]}
        for one in bill["dependencies"]
        if one["ref"] in known
    ]
    return bill | {"components": kept, "dependencies": needs}


def licence_of(component: dict[str, Any]) -> str:
    """Its SPDX expression or the names of its licences; "not stated" if there are none."""
    named = [
        one.get("expression") or one["license"].get("id") or one["license"].get("name", "")
        for one in component.get("licenses", ())
    ]
    return " AND ".join(dict.fromkeys(filter(None, named))) or "not stated"


def same_name(name: str) -> str:
    return NAME.sub("-", name).lower()


if __name__ == "__main__":
    main()
