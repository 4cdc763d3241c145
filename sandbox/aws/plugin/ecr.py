"""ECR on one endpoint, and the one answer that decides whether the CDK pushes an image.

The registry behind ministack's ECR is its own `/v2`, so repositories and logins name this very port. And
DescribeImages answers ImageNotFoundException for an image that is not there: the CDK takes any success for
"published already" and would never push.
"""

from __future__ import annotations

import json
from typing import Any

from sandbox.aws.ministack import ecr as emulated_ecr
from sandbox.aws.ministack import host, iam


def _registry() -> str:
    return f"localhost:{host.port()}"


def _repository_uri(name: str) -> str:
    return f"{_registry()}/{name}"


def _with_local_endpoint(original: host.Operation) -> host.Operation:
    def get_authorization_token(data: dict[str, Any]) -> host.Answer:
        status, headers, body = original(data)
        answer = json.loads(body)
        for entry in answer["authorizationData"]:
            entry["proxyEndpoint"] = f"http://{_registry()}"
        return status, headers, json.dumps(answer).encode()

    return get_authorization_token


def _with_missing_images(original: host.Operation) -> host.Operation:
    def describe_images(data: dict[str, Any]) -> host.Answer:
        repository = str(data.get("repositoryName"))
        for image_id in data.get("imageIds") or []:
            if emulated_ecr.has_repository(repository) and not emulated_ecr.has_image(repository, image_id):
                return host.answer_error(
                    "ImageNotFoundException",
                    f"The image with imageId {image_id} does not exist within the repository {repository}",
                    400,
                )
        return original(data)

    return describe_images


def install() -> None:
    """Exchange the three functions, and let who may see a repository see it."""
    iam.name_resources("ecr", "repositoryNames", lambda name: f"repository/{name}")
    emulated_ecr.replace_operations(_repository_uri, _with_local_endpoint, _with_missing_images)
