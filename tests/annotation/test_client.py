import pytest

from annotation.cvat.client import CvatClient
from annotation.cvat.errors import (
    CvatBrokenError,
    CvatDeniedError,
    CvatGoneError,
    CvatRefusedError,
    CvatUnavailableError,
)
from annotation.cvat.transport import Address
from tests.cvat_double.http_server import NO_ROUTE
from tests.cvat_double.server import CvatDouble
from tests.cvat_double.state import HTML_500

LABEL = {
    "name": "person",
    "color": "#3b82f6",
    "type": "rectangle",
    "attributes": [
        {
            "name": "person_id", "mutable": False, "input_type": "text", "values": [""],
            "default_value": "",
        }
    ],
}  # fmt: skip


@pytest.fixture
def client(cvat):
    client = CvatClient(Address(cvat.url, "avalab", token=cvat.token))
    yield client
    client.close()


@pytest.fixture
def project(client):
    return client.create_project("shop", [LABEL])


@pytest.fixture
def images(tmp_path):
    paths = [tmp_path / f"a_{number:06d}.jpg" for number in range(12)]
    for path in paths:
        path.write_bytes(b"jpeg " + path.name.encode())
    return paths


def make_task(client, project, images, name="a--ann"):
    task = client.create_task(project, name, frame_count=len(images))
    client.upload_frames(task, images, quality=90)
    client.wait_until_created(task)
    return task


def test_the_account_and_the_members_are_read(client, cvat):
    assert client.version() == "2.54.1"
    assert client.whoami() == "admin"
    assert [one.name for one in client.members()] == ["admin", "ann", "bob", "cem"]


def test_a_user_and_a_password_open_a_session_that_is_kept(cvat):
    client = CvatClient(Address(cvat.url, "avalab", user="admin", password=cvat.password))
    assert [client.whoami(), client.whoami()] == ["admin", "admin"]
    assert [path for _, path in cvat.calls].count("/api/auth/login") == 1
    client.close()


def test_an_expired_session_is_opened_again(cvat):
    client = CvatClient(Address(cvat.url, "avalab", user="admin", password=cvat.password))
    client.whoami()
    cvat.fail("GET", "users/self", status=401)
    assert client.whoami() == "admin"
    client.close()


def test_a_denied_call_does_not_sign_in_again(cvat):
    client = CvatClient(Address(cvat.url, "avalab", user="admin", password=cvat.password))
    cvat.fail("GET", "users/self", status=403)
    with pytest.raises(CvatDeniedError, match="role maintainer"):
        client.whoami()
    assert [path for _, path in cvat.calls].count("/api/auth/login") == 1
    client.close()


def test_a_wrong_password_is_reported(cvat):
    client = CvatClient(Address(cvat.url, "avalab", user="admin", password="wrong"))
    with pytest.raises(CvatDeniedError, match="rejects the user name or password of admin"):
        client.whoami()


def test_a_task_gets_its_frames_in_order_and_one_job(client, cvat, project, images):
    task = make_task(client, project, images)
    assert client.task(task)["size"] == 12
    assert cvat.state.frames[task] == [path.name for path in images]
    (job,) = client.jobs_of_task(task)
    assert (job.stage, job.state, job.assignee, job.kind) == (
        "annotation", "new", "", "annotation"
    )  # fmt: skip


def test_many_images_are_uploaded_in_several_requests(
    client, cvat, project, images, monkeypatch
):
    monkeypatch.setattr("annotation.cvat.transport.REQUEST_SIZE", 60)
    task = make_task(client, project, images)
    assert cvat.state.frames[task] == [path.name for path in images]
    assert cvat.calls.count(("POST", f"/api/tasks/{task}/data/")) == 2 + 4


@pytest.fixture
def in_chunks(monkeypatch):
    """Files over 4 bytes go by tus, 6 bytes at a time, as those over a request's size do."""
    monkeypatch.setattr("annotation.cvat.transport.REQUEST_SIZE", 4)
    monkeypatch.setattr("cvat_sdk.core.uploading.TUS_CHUNK_SIZE", 6)


def uploaded(cvat):
    return {one["name"]: one["have"] for one in cvat.state.chunks.values()}


def test_a_file_larger_than_a_request_is_uploaded_in_chunks(
    client, cvat, project, images, in_chunks
):
    task = make_task(client, project, images)
    assert cvat.state.frames[task] == [path.name for path in images]
    assert uploaded(cvat) == {path.name: path.read_bytes() for path in images}


@pytest.mark.parametrize("drop", ["before", "after"])
def test_an_interrupted_chunk_resumes_at_cvats_offset(
    client, cvat, project, images, in_chunks, drop
):
    cvat.fail("PATCH", "/data/", drop=drop, skip=1)
    task = make_task(client, project, images[:2])
    assert cvat.state.frames[task] == [path.name for path in images[:2]]
    assert uploaded(cvat) == {path.name: path.read_bytes() for path in images[:2]}


def test_chunks_interrupted_repeatedly_are_a_temporary_error(
    client, cvat, project, images, in_chunks
):
    task = client.create_task(project, "a", frame_count=12)
    cvat.fail("PATCH", "/data/", drop="before", times=9)
    with pytest.raises(CvatUnavailableError):
        client.upload_frames(task, images, quality=90)


def test_a_failed_task_creation_has_cvats_message(client, project, tmp_path):
    (tmp_path / "a.txt").write_text("hi")
    task = client.create_task(project, "a", frame_count=1)
    client.upload_frames(task, [tmp_path / "a.txt"], quality=90)
    with pytest.raises(CvatRefusedError, match="No media data found"):
        client.wait_until_created(task)


def test_tasks_are_found_by_their_exact_name(client, project, images):
    task = make_task(client, project, images, "a--ann")
    make_task(client, project, images, "a--ann2")
    assert [one["id"] for one in client.tasks_named(project, "a--ann")] == [task]
    assert client.tasks_named(project, "a") == []


def test_a_task_may_be_deleted_twice(client, project, images):
    task = make_task(client, project, images)
    client.delete_task(task)
    client.delete_task(task)


def test_lists_are_read_to_their_end(client, cvat):
    for number in range(230):
        cvat.add_user(f"user{number:03d}")
    assert len(client.members()) == 234


def test_all_jobs_are_listed_though_one_changes_between_the_pages(client, cvat, project):
    jobs = _many_jobs(cvat, project, 250)
    listed = client.jobs(project)
    seen = {next(listed).job_id for _ in range(100)}
    for job in jobs[:50]:
        with cvat.state.lock:
            cvat.state.change_job(job, {"state": "in progress"})
    seen |= {job.job_id for job in listed}
    assert seen == set(jobs)


def test_all_jobs_are_listed_though_they_have_one_date(client, cvat, project):
    jobs = _many_jobs(cvat, project, 250)
    for job in jobs:
        cvat.state.jobs[job]["updated_date"] = "2026-11-22T09:39:17.412093Z"
    assert {job.job_id for job in client.jobs(project)} == set(jobs)


def test_only_jobs_changed_since_a_date_are_listed(client, cvat, project):
    jobs = _many_jobs(cvat, project, 3)
    with cvat.state.lock:
        cvat.state.change_job(jobs[1], {"state": "completed"})
    changed = client.job(jobs[1])
    assert [job.job_id for job in client.jobs(project, since=changed.updated_date)] == [jobs[1]]


def _many_jobs(cvat, project, count):
    task = cvat.state.add_task({"name": "many", "project_id": project, "segment_size": 1})
    cvat.state.frames[task["id"]] = []
    for frame in range(count):
        cvat.state._add_job(task, frame, frame)
    return list(cvat.state.jobs)


def test_a_label_keeps_its_colour(client, project):
    (label,) = client.labels(project)
    client.change_label(label, [LABEL["attributes"][0] | {"name": "note"}])
    (changed,) = client.labels(project)
    assert changed["color"] == label["color"]
    assert [one["name"] for one in changed["attributes"]] == ["person_id", "note"]


def test_a_guide_is_written_once_and_then_changed(client, cvat, project):
    client.set_guide(project, "# first")
    client.set_guide(project, "# second")
    assert [one["markdown"] for one in cvat.state.guides.values()] == ["# second"]


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, CvatDeniedError, "Enter a new one"),
        (403, CvatDeniedError, "role maintainer"),
        (404, CvatGoneError, "not found in CVAT"),
        (409, CvatRefusedError, "CVAT rejects it"),
        (429, CvatUnavailableError, "throttling"),
        (500, CvatBrokenError, "failed internally"),
        (502, CvatUnavailableError, "starting or overloaded"),
        (503, CvatUnavailableError, "starting or overloaded"),
    ],
)
def test_every_error_has_the_type_of_its_fix(client, cvat, status, error, message):
    cvat.fail("GET", "users/self", status=status, headers={"Retry-After": "7"})
    with pytest.raises(error, match=message) as caught:
        client.whoami()
    assert "<html" not in str(caught.value)
    if status in (429, 503):
        assert caught.value.retry_after == 7


def test_a_server_that_is_down_is_reported_at_once(client, cvat):
    client.whoami()
    cvat.stop()
    with pytest.raises(CvatUnavailableError, match="cannot be reached"):
        client.whoami()


def test_a_server_that_comes_back_is_used_again(client, cvat):
    client.whoami()
    cvat.stop()
    cvat.start()
    assert client.whoami() == "admin"


def test_a_server_that_does_not_respond_times_out(client, cvat, monkeypatch):
    monkeypatch.setattr("annotation.cvat.transport.ANSWER_SECONDS", 0.2)
    cvat.fail("GET", "users/self", seconds=1.0)
    with pytest.raises(CvatUnavailableError, match="does not respond"):
        client.whoami()


def test_a_connection_closed_during_an_upload_is_a_temporary_error(
    client, cvat, project, images
):
    task = client.create_task(project, "a", frame_count=12)
    cvat.fail("POST", "/data", drop="before", skip=1)
    with pytest.raises(CvatUnavailableError):
        client.upload_frames(task, images, quality=90)


def test_an_unknown_organisation_is_reported(cvat):
    with CvatDouble() as other:
        client = CvatClient(Address(other.url, "nosuch", token=other.token))
        with pytest.raises(CvatDeniedError, match="no organisation with the short name nosuch"):
            client.members()
        client.close()


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, NO_ROUTE), (200, HTML_500), (405, HTML_500), (404, HTML_500), (403, HTML_500)],
)
def test_the_proxy_of_a_restarting_cvat_is_not_mistaken_for_it(
    client, cvat, project, status, body
):
    """Traefik has no way to CVAT then, or leads to the pages: no job was deleted."""
    cvat.fail("GET", "jobs/7", status=status, body=body)
    with pytest.raises(CvatUnavailableError, match="is CVAT starting, and is this its address"):
        client.job(7)
    with pytest.raises(CvatGoneError):
        client.job(7)


def test_a_proxy_with_a_request_limit_is_reported(client, cvat, project, images):
    task = client.create_task(project, "a", frame_count=12)
    cvat.fail("POST", "/data", status=413, body="<html>too large</html>", skip=1)
    with pytest.raises(CvatRefusedError, match="rejects requests of 16 MB: raise its limit"):
        client.upload_frames(task, images, quality=90)
