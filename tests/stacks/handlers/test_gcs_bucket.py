"""Custom::EdgecamGcsBucket: Google's own client against an embedded store, and against refusals."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Bucket, Client
from json_api import refusal, serving

from sandbox.gcs.organisation import Organisation
from sandbox.gcs.server import EmbeddedGcs
from stacks.handlers.cloudformation import RequestFailed
from stacks.handlers.gcs import bucket as gcs_bucket
from stacks.handlers.ownership import OWNER_LABEL, owner_of

Event = dict[str, Any]
STACK = "arn:aws:cloudformation:eu-central-1:123456789012:stack/EdgecamGcsUploader/1"
WRITER = (
    "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/attribute.role/r"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedGcs]:
    with EmbeddedGcs(folder=tmp_path_factory.mktemp("gcs")) as gcs:
        yield gcs


def client_of(url: str) -> Client:
    return Client(
        project="our-project", credentials=AnonymousCredentials(), client_options={"api_endpoint": url}
    )


@pytest.fixture
def google(store: EmbeddedGcs) -> Client:
    return client_of(store.url)


@pytest.fixture
def organisation(store: EmbeddedGcs) -> Iterator[Organisation]:
    """That of the store; what a test forbids holds for this test."""
    yield store.organisation
    vars(store.organisation).update(vars(Organisation()))


@pytest.fixture
def name() -> str:
    return f"recordings-{uuid.uuid4().hex[:8]}"


def request(name: str, kind: str = "Create", *, stack: str = STACK, **properties: Any) -> Event:
    """As CloudFormation sends it."""
    event = {
        "RequestType": kind,
        "StackId": stack,
        "ResourceProperties": {
            "Bucket": name,
            "Project": "our-project",
            "Location": "us",
            "StorageClass": "STANDARD",
            "NearlineAfterDays": "30",
            "DeleteWithStack": "false",
            "Prefixes": ["dock", ""],
            "Writers": [WRITER],
            **properties,
        },
    }
    return event if kind == "Create" else {**event, "PhysicalResourceId": f"gs://{name}"}


def apply(event: Event, client: Client) -> Any:
    return gcs_bucket.apply(event, lambda _: client)


def rules(bucket: Bucket) -> list[dict[str, Any]]:
    return [dict(rule) for rule in bucket.lifecycle_rules]


def bindings(bucket: Bucket) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bucket.get_iam_policy(requested_policy_version=3).bindings
    return found


NEARLINE = {"action": {"type": "SetStorageClass", "storageClass": "NEARLINE"}, "condition": {"age": 30}}


def test_new_bucket_has_every_setting(google: Client, name: str) -> None:
    done = apply(request(name, DeleteAfterDays="90"), google)
    bucket = google.get_bucket(name)
    assert done.physical_id == f"gs://{name}"
    assert done.attributes == {"Name": name, "Uri": f"gs://{name}"}
    assert bucket.storage_class == "STANDARD"
    assert bucket.iam_configuration.uniform_bucket_level_access_enabled is True
    assert bucket.iam_configuration.public_access_prevention == "enforced"
    assert bucket.versioning_enabled is False
    assert bucket.soft_delete_policy.retention_duration_seconds == 0
    assert rules(bucket) == [NEARLINE, {"action": {"type": "Delete"}, "condition": {"age": 90}}]


def test_new_bucket_is_whole_from_its_first_moment(store: EmbeddedGcs, google: Client, name: str) -> None:
    store.traffic.clear()
    apply(request(name, Writers=[]), google)
    bucket = google.get_bucket(name)
    assert bucket.metageneration == 1
    assert bucket.iam_configuration.public_access_prevention == "enforced"
    assert bucket.labels[OWNER_LABEL] == owner_of({"StackId": STACK})
    # Nobody writes, nobody looks at who does.
    assert not [seen.path for seen in store.traffic.requests if "iam" in seen.path]


def test_repeated_request_finds_the_bucket_of_the_first(google: Client, name: str) -> None:
    first = apply(request(name), google)
    before = google.get_bucket(name).metageneration
    assert apply(request(name), google) == first
    assert google.get_bucket(name).metageneration == before
    assert [bucket.name for bucket in google.list_buckets()].count(name) == 1


def test_drift_is_reconciled_and_what_is_not_ours_is_left(google: Client, name: str) -> None:
    apply(request(name), google)
    bucket = google.get_bucket(name)
    theirs = {"action": {"type": "Delete"}, "condition": {"age": 3, "matchesPrefix": ["tests/"]}}
    bucket.lifecycle_rules = [{**NEARLINE, "condition": {"age": 60}}, theirs]
    bucket.iam_configuration.public_access_prevention = "inherited"
    bucket.versioning_enabled = True
    bucket.labels = {**bucket.labels, "cost-centre": "7"}
    bucket.cors = [{"origin": ["https://example.com"], "method": ["GET"]}]
    bucket.patch()
    apply(request(name, "Update", Checked="1.2.3"), google)
    reconciled = google.get_bucket(name)
    assert rules(reconciled) == [theirs, NEARLINE]
    assert reconciled.iam_configuration.public_access_prevention == "enforced"
    assert reconciled.versioning_enabled is False
    assert reconciled.labels["cost-centre"] == "7"
    assert reconciled.cors == [{"origin": ["https://example.com"], "method": ["GET"]}]


def test_changed_settings_replace_our_rules(google: Client, name: str) -> None:
    apply(request(name, DeleteAfterDays="90"), google)
    apply(request(name, "Update", NearlineAfterDays="40"), google)
    assert rules(google.get_bucket(name)) == [{**NEARLINE, "condition": {"age": 40}}]


def test_bucket_of_somebody_else_is_refused_and_left_as_it_is(google: Client, name: str) -> None:
    bucket = google.create_bucket(name)
    before = bucket.metageneration
    with pytest.raises(RequestFailed, match=r"this stack did not make it: set gcp\.bucket\.create: false"):
        apply(request(name), google)
    apply(request(name, "Delete", DeleteWithStack="true"), google)
    assert google.get_bucket(name).metageneration == before


def test_bucket_of_another_stack_is_refused(google: Client, name: str) -> None:
    apply(request(name), google)
    with pytest.raises(RequestFailed, match="this stack did not make it"):
        apply(request(name, stack=STACK.replace("eu-central-1", "us-east-1")), google)


def test_stack_destroyed_and_made_again_adopts_its_bucket(google: Client, name: str) -> None:
    apply(request(name), google)
    google.bucket(name).blob("a").upload_from_string("x")
    apply(request(name, "Delete"), google)
    apply(request(name, stack=f"{STACK.rpartition('/')[0]}/2"), google)
    assert google.bucket(name).blob("a").exists()


def test_owner_label_is_what_google_takes() -> None:
    long = STACK.replace("EdgecamGcsUploader", "Edgecam" * 18)
    for stack in (STACK, long):
        owner = owner_of({"StackId": stack})
        assert len(owner) <= 63
        assert owner == owner.lower()
    assert owner_of({"StackId": STACK}).startswith("edgecamgcsuploader-")


def test_deleting_keeps_data(google: Client, name: str) -> None:
    apply(request(name), google)
    google.bucket(name).blob("a").upload_from_string("x")
    apply(request(name, "Delete"), google)
    assert google.bucket(name).blob("a").exists()


@pytest.mark.parametrize("with_stack", ["true", "false"])
def test_deleting_removes_an_empty_bucket(google: Client, name: str, with_stack: str) -> None:
    apply(request(name), google)
    apply(request(name, "Delete", DeleteWithStack=with_stack), google)
    assert google.lookup_bucket(name) is None


def test_deleting_with_the_stack_never_deletes_recordings(google: Client, name: str) -> None:
    apply(request(name), google)
    google.bucket(name).blob("a").upload_from_string("x")
    with pytest.raises(RequestFailed, match=r"still holds recordings, .* remove them \(gcloud storage rm"):
        apply(request(name, "Delete", DeleteWithStack="true"), google)
    assert google.bucket(name).blob("a").exists()


def test_deleting_what_is_not_there_succeeds(google: Client, name: str) -> None:
    assert apply(request(name, "Delete", DeleteWithStack="true"), google).physical_id == f"gs://{name}"


def test_renaming_makes_another_bucket_and_leaves_the_former_to_its_own_delete(
    google: Client, name: str
) -> None:
    apply(request(name), google)
    renamed = {**request(f"{name}-2", "Update"), "PhysicalResourceId": f"gs://{name}"}
    assert apply(renamed, google).physical_id == f"gs://{name}-2"
    assert google.lookup_bucket(name) is not None


def test_writers_may_make_and_read_objects_and_replace_the_newest_only(google: Client, name: str) -> None:
    apply(request(name), google)
    found = {
        (binding["role"], binding["condition"]["expression"]): set(binding["members"])
        for binding in bindings(google.get_bucket(name))
    }
    objects, below = 'resource.type == "storage.googleapis.com/Object"', f"projects/_/buckets/{name}/objects/"
    replaced = [
        f'resource.name.startsWith("{below}{prefix}latest/") || '
        f'resource.name.startsWith("{below}{prefix}status/")'
        for prefix in ("dock/", "")
    ]
    assert found == {
        ("roles/storage.objectCreator", objects): {WRITER},
        ("roles/storage.objectViewer", objects): {WRITER},
        ("roles/storage.objectUser", replaced[0]): {WRITER},
        ("roles/storage.objectUser", replaced[1]): {WRITER},
    }


def test_writers_of_a_part_may_do_the_same_below_it_and_nothing_elsewhere(google: Client, name: str) -> None:
    parts = [{"Prefix": "dock", "Writers": [WRITER]}, {"Prefix": "dock-2", "Writers": ["user:a@example.com"]}]
    apply(request(name, Writers=[], Prefixes=[], Parts=parts), google)
    found = bindings(google.get_bucket(name))
    assert {
        binding["role"]: binding["condition"]["expression"]
        for binding in found
        if WRITER in binding["members"]
    } == {
        "roles/storage.objectCreator": f'resource.name.startsWith("projects/_/buckets/{name}/objects/dock/")',
        "roles/storage.objectViewer": f'resource.name.startsWith("projects/_/buckets/{name}/objects/dock/")',
        "roles/storage.objectUser": (
            f'resource.name.startsWith("projects/_/buckets/{name}/objects/dock/latest/") || '
            f'resource.name.startsWith("projects/_/buckets/{name}/objects/dock/status/")'
        ),
    }
    assert len(found) == 6


def test_writers_of_parts_that_are_taken_out_lose_their_rights(google: Client, name: str) -> None:
    former = request(name, Writers=[], Parts=[{"Prefix": "dock", "Writers": [WRITER]}])
    apply(former, google)
    update = request(name, "Update", Writers=[])
    apply({**update, "OldResourceProperties": former["ResourceProperties"]}, google)
    assert bindings(google.get_bucket(name)) == []


def test_former_writers_go_and_members_that_others_added_stay(google: Client, name: str) -> None:
    apply(request(name), google)
    bucket = google.get_bucket(name)
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.version = 3
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"user:a@example.com"}})
    bucket.set_iam_policy(policy)
    apply(request(name, "Update", Writers=["serviceAccount:new@example.com"]), google)
    members = [set(binding["members"]) for binding in bindings(bucket)]
    assert members.count({"user:a@example.com"}) == 1
    assert members.count({"serviceAccount:new@example.com"}) == 4
    assert {WRITER} not in members


def test_writers_that_are_taken_out_lose_their_rights(google: Client, name: str) -> None:
    former = request(name)
    apply(former, google)
    update = request(name, "Update", Writers=[])
    apply({**update, "OldResourceProperties": former["ResourceProperties"]}, google)
    assert bindings(google.get_bucket(name)) == []


def test_bucket_made_by_a_request_that_then_fails_is_removed_again(
    google: Client, name: str, organisation: Organisation
) -> None:
    organisation.own_members_only = True
    with pytest.raises(RequestFailed, match="members of its own domains only"):
        apply(request(name), google)
    assert google.lookup_bucket(name) is None


def test_bucket_that_was_there_before_a_failure_stays(google: Client, name: str) -> None:
    apply(request(name), google)
    with pytest.raises(RequestFailed, match="cannot move"):
        apply(request(name, "Update", Location="EU"), google)
    assert google.lookup_bucket(name) is not None


FORBIDDEN: dict[str, tuple[dict[str, Any], str]] = {
    "location": (
        {"locations": frozenset({"europe-west3"})},
        r"\(412 .*'us' violates .*\): a policy of your organisation allows buckets in other locations only: "
        r"set gcp\.bucket\.location",
    ),
    "soft delete": (
        {"soft_delete_s": frozenset({604_800})},
        r"asks for soft delete, which edgecam switches off.*: have 0 seconds allowed for this project, or "
        r"make the bucket as the policy asks for it and set gcp\.bucket\.create: false",
    ),
    "key": ({"wants_key": True}, r"asks for buckets that a key of yours encrypts.*--default-encryption-key"),
    "members": (
        {"own_members_only": True},
        r"a workload identity pool is none: have the pool's project allowed",
    ),
    "perimeter": (
        {"has_perimeter": True},
        r"\(403 .*\): a perimeter of VPC Service Controls keeps the function out: have an ingress rule",
    ),
    "billing": (
        {"has_billing": False},
        r"no billing account that works: link one \(gcloud billing projects link",
    ),
}
"""What an organisation forbids, and what the stack's events say of it."""


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_the_organisation_forbids_is_named_with_what_to_do(
    what: str, google: Client, name: str, organisation: Organisation
) -> None:
    forbidden, said = FORBIDDEN[what]
    vars(organisation).update(forbidden)
    with pytest.raises(RequestFailed, match=said) as caught:
        apply(request(name), google)
    # CloudFormation shows this much, and the remedy comes last.
    assert len(str(caught.value)) <= 1_000


def test_constraint_that_nobody_thought_of_is_named_as_one() -> None:
    words = "Request violates constraint 'constraints/custom.bucketsHaveLabels'"
    with (
        serving({"GET /b/b-1": [refusal(404, "none")], "POST /b": [refusal(412, words)]}) as api,
        pytest.raises(RequestFailed, match=r"organisation, custom\.bucketsHaveLabels, forbids it: have this"),
    ):
        apply(request("b-1"), client_of(api.url))


def test_change_by_somebody_else_at_the_same_moment_is_named_as_one(
    store: EmbeddedGcs, google: Client, name: str
) -> None:
    apply(request(name), google)

    class Slow(Client):
        """Somebody else changes the bucket between its look and its change."""

        def lookup_bucket(self, *arguments: Any, **options: Any) -> Any:
            found = super().lookup_bucket(*arguments, **options)
            other = google.get_bucket(name)
            other.labels = {**other.labels, "by": "somebody"}
            other.patch()
            return found

    slow = Slow(
        project="our-project",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": store.url},
    )
    with pytest.raises(RequestFailed, match=r"\(412 .*\): somebody else changed the bucket at this moment"):
        apply(request(name, "Update", NearlineAfterDays="40"), slow)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            {"GET /b/b-1": [refusal(403, "x does not have storage.buckets.get access")]},
            r"Google refuses gs://b-1 \(403 .*storage\.buckets\.get access\): the login needs the role",
        ),
        (
            {
                "GET /b/b-1": [refusal(404, "none")],
                "POST /b": [refusal(409, "The requested bucket name is not available.")],
            },
            r"gs://b-1 is somebody else's .* choose another gcp\.bucket\.name",
        ),
        (
            {"GET /b/b-1": [refusal(404, "none")], "POST /b": [refusal(400, "Unknown project id: x")]},
            r"Google refuses gs://b-1 \(400 .*Unknown project id: x\): see gcp in fleet\.yaml",
        ),
    ],
)
def test_refusal_becomes_a_sentence_with_what_to_do(answers: dict[str, Any], said: str) -> None:
    with serving(answers) as api, pytest.raises(RequestFailed, match=said):
        apply(request("b-1"), client_of(api.url))


def test_bucket_made_by_a_lost_request_is_adopted_by_the_next() -> None:
    owner = owner_of({"StackId": STACK})
    mine = {"name": "b-1", "location": "US", "metageneration": "1", "labels": {OWNER_LABEL: owner}}
    with serving(
        {
            "GET /b/b-1": [refusal(404, "none"), (200, mine)],
            "POST /b": [refusal(409, "You already own this bucket.")],
            "PATCH /b/b-1": [(200, mine)],
        }
    ) as api:
        assert apply(request("b-1", Writers=[]), client_of(api.url)).physical_id == "gs://b-1"
    assert "DELETE" not in api.methods()


def test_login_that_no_longer_works_does_not_keep_a_stack_from_going() -> None:
    with serving({"GET /b/b-1": [refusal(403, "no access")]}) as api:
        assert apply(request("b-1", "Delete"), client_of(api.url)).physical_id == "gs://b-1"
        failed = {
            **request("b-1", "Delete", DeleteWithStack="true"),
            "PhysicalResourceId": "gs://b-1 (not made)",
        }
        assert apply(failed, client_of(api.url)).physical_id == "gs://b-1"
        with pytest.raises(RequestFailed, match="Google refuses gs://b-1"):
            apply(request("b-1", "Delete", DeleteWithStack="true"), client_of(api.url))
