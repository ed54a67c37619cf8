"""The double's annotation guides, and the images that belong to them."""

from typing import Any

from tests.cvat_double import schemas
from tests.cvat_double.http_server import Call, route
from tests.cvat_double.schemas import check
from tests.cvat_double.state import HTML_500, RefusedError, State

PNG = b"\x89PNG"
MAX_ASSETS = 30  # of a guide


class Guides:
    state: State

    @route("GET", r"guides/(\d+)")
    def guide(self, call: Call, number: int) -> Any:
        return 200, call.found("AnnotationGuide", self.state.guides, number)

    @route("POST", "assets")
    def new_asset(self, call: Call) -> Any:
        ((_, content),) = call.files()
        if not content.startswith(PNG):
            raise RefusedError(400, ["File is not supported as an asset."])
        if len(self.state.assets) == MAX_ASSETS:
            raise RefusedError(400, ["Maximum number of assets per guide reached"])
        key = f"00000000-0000-4000-8000-{len(self.state.assets):012d}"
        self.state.assets[key] = content
        return 201, {"uuid": key}

    @route("POST", "guides")
    def new_guide(self, call: Call) -> Any:
        body = check(schemas.GuideIn, call.body)
        project = call.found("Project", self.state.projects, body["project_id"])
        if project["guide_id"]:
            raise RefusedError(500, HTML_500)
        number = project["guide_id"] = self.state.number("guide")
        guide = {"id": number, "task_id": None, "project_id": project["id"]}
        self.state.guides[number] = guide | {"markdown": body["markdown"]}
        return 201, self.state.guides[number]

    @route("PATCH", r"guides/(\d+)")
    def change_guide(self, call: Call, number: int) -> Any:
        guide = call.found("AnnotationGuide", self.state.guides, number)
        guide |= check(schemas.GuideIn, call.body, partial=True)
        return 200, guide
