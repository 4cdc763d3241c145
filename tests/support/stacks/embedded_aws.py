"""An embedded AWS for the tests of fleets and of stacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox.ports import free_port


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """A function that makes clients of an embedded AWS."""
    with embedded(tmp_path_factory.mktemp("aws")) as client:
        yield client


@contextmanager
def embedded(folder: Path) -> Iterator[Callable[[str], Any]]:
    """The same, of one that runs in `folder` for as long as this is open."""
    import boto3

    from sandbox.aws.server import EmbeddedAws, client_environment

    port = free_port()
    with EmbeddedAws(port=port, folder=folder):
        named = client_environment(port)
        session = boto3.Session(
            aws_access_key_id=named["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=named["AWS_SECRET_ACCESS_KEY"],
            region_name=named["AWS_REGION"],
        )
        yield lambda service: session.client(service, endpoint_url=named["AWS_ENDPOINT_URL"])
