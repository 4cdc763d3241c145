"""Google's client for the bucket, with the function's login."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from ..google_auth import credentials_of

ENDPOINT_VARIABLE = "STORAGE_EMULATOR_HOST"
"""Google's own name for the variable that leads its clients to an embedded store, which asks for no login."""


def client_for(properties: Mapping[str, Any]) -> storage.Client:
    """A client with the login that `properties` ask for.

    Raises:
        RequestFailed: the secret cannot be read, or holds something else.
    """
    embedded = bool(os.environ.get(ENDPOINT_VARIABLE))
    login = properties.get("Login", {})
    credentials = AnonymousCredentials() if embedded else credentials_of(login)
    return storage.Client(project=properties["Project"], credentials=credentials)
