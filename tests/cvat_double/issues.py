"""The double's issues, comments, and what its account may do."""

from typing import Any

from tests.cvat_double import schemas
from tests.cvat_double.http_server import Call, route
from tests.cvat_double.schemas import check
from tests.cvat_double.state import RefusedError, Row, State, public

INVALID_TOKEN = {"detail": "Invalid token."}


class Permissions:
    """As CVAT 2.73 says it; `groups`, `access_token` and roles are set by tests."""

    state: State
    groups: tuple[str, ...] = ("admin",)
    access_token: Row | None = None  # of `GET auth/access_tokens/self`

    @route("GET", "users/self")
    def whoami(self, call: Call) -> Any:
        more = {"is_superuser": "admin" in self.groups, "is_active": True}
        return 200, self.state.users[1] | more | {
            "email": "admin@example.com", "groups": list(self.groups)
        }  # fmt: skip

    @route("GET", "auth/access_tokens/self")
    def own_token(self, call: Call) -> Any:
        if self.access_token is None:
            raise RefusedError(401, INVALID_TOKEN)
        return 200, self.access_token

    @route("GET", "memberships")
    def memberships(self, call: Call) -> Any:
        rows = {
            key: one
            for key, one in self.state.members.items()
            if call.query.get("user") in (None, one["user"]["username"])
        }
        return call.paged(rows)


class Issues:
    """Issues, each with its comments; the message of an issue is the first."""

    state: State
    deliver: Any

    def comment(self, issue: int, text: str, *, by: str = "ann") -> int:
        """Comment as one of the users, and deliver the event."""
        with self.state.lock:
            number = self._add_comment(issue, text, by=by)["id"]
        self.deliver()
        return number

    def _add_comment(self, issue: int, text: str, *, by: str = "admin") -> Row:
        number, now = self.state.number("comment"), self.state.now()
        owner = next(one for one in self.state.users.values() if one["username"] == by)
        row = {
            "id": number, "issue": issue, "owner": owner, "message": text,
            "created_date": now, "updated_date": now,
        }  # fmt: skip
        self.state.comments[number] = row
        job = self.state.jobs[self.state.issues[issue]["job"]]
        about = row | {"project_id": job["project_id"]}
        self.state.deliver_event("create:comment", "comment", about, by=by)
        return row

    @route("GET", "issues")
    def issues(self, call: Call) -> Any:
        return call.paged(self.state.issues, "job_id")

    @route("GET", r"issues/(\d+)")
    def issue(self, call: Call, number: int) -> Any:
        return 200, public(call.found("Issue", self.state.issues, number))

    @route("PATCH", r"issues/(\d+)")
    def change_issue(self, call: Call, number: int) -> Any:
        issue = call.found("Issue", self.state.issues, number)
        issue |= check(schemas.IssueIn, call.body, partial=True)
        return 200, public(issue)

    @route("POST", "issues")
    def new_issue(self, call: Call) -> Any:
        body = check(schemas.IssueIn, call.body)
        number, now = self.state.number("issue"), self.state.now()
        call.found("Job", self.state.jobs, body["job"])
        self.state.issues[number] = {
            "id": number, "frame": body["frame"], "job": body["job"],
            "position": body["position"],
            "owner": self.state.users[1],
            "assignee": self.state.users.get(body.get("assignee") or 0),
            "created_date": now, "updated_date": now, "resolved": False,
            "comments": {"count": 1, "url": f"{self.state.url}/api/comments?issue_id={number}"},
            "_job_id": body["job"], "_message": body["message"],
        }  # fmt: skip
        self._add_comment(number, body["message"])
        return 201, public(self.state.issues[number])

    @route("GET", "comments")
    def comments(self, call: Call) -> Any:
        rows = {
            key: row
            for key, row in self.state.comments.items()
            if call.query.get("issue_id") in (None, str(row["issue"]))
        }
        return call.paged(rows)

    @route("POST", "comments")
    def new_comment(self, call: Call) -> Any:
        call.found("Issue", self.state.issues, call.body["issue"])
        return 201, self._add_comment(call.body["issue"], call.body["message"])
