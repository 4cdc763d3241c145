"""Images of the account's ECR registry on this machine: the embedded AWS has it on its own port.

A nucleus pulls `ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY@sha256:…`. Here that host is somebody else's,
so recipes are read with `localhost:PORT` in its place, wherever it stands: the artifact and the image's name
in the scripts' environment have to agree. From any other registry both nuclei pull without a login
(aws-greengrass-nucleus, DockerImageDownloader; aws-greengrass-lite, docker_client.c). The account's own lets
everybody in here: under another name of this machine it is such a one.
"""

from __future__ import annotations

import base64
import re
import subprocess
import tempfile
from urllib.parse import urlsplit

import botocore.exceptions

from sandbox.aws.clients import ACCOUNT, REGION, Credentials, client
from sandbox.errors import ArtifactError

_REGISTRY = re.compile(re.escape(f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/"))
_BY_DIGEST = re.compile(r"(?P<registry>[^/]+)/(?P<repository>[^@:]+)@(?P<digest>sha256:[0-9a-f]{64})")
PULL_TIMEOUT_S = 600


def open_registry(url: str) -> str:
    """A registry on this machine that a core takes for one without a login: the embedded one, not by the name
    that the account's own has."""
    return f"127.0.0.1:{urlsplit(url).port}"


def reachable(recipe: str, url: str) -> str:
    """The text of a recipe with the registry's name replaced by the one that it has on this machine."""
    return _REGISTRY.sub(f"{urlsplit(url).netloc}/", recipe)


def pull(image: str, url: str, credentials: Credentials) -> None:
    """Have Docker pull `image`, named by its digest, unless it is there; the embedded AWS is at `url`.

    Raises:
        ArtifactError: the name has another form, the role may not, or Docker cannot.
    """
    named = _BY_DIGEST.fullmatch(image)
    if named is None:
        raise ArtifactError(f"docker:{image}: this core pulls by digest only")
    password = None
    if named["registry"] == urlsplit(url).netloc:
        try:
            password = _allowed(named["repository"], named["digest"], url, credentials)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            raise ArtifactError(f"docker:{image} cannot be pulled with the core's role: {error}") from error
    if _docker("image", "inspect", image).returncode == 0:
        return
    # A folder of its own: the login is the core's, not that of the user who started the sandbox.
    with tempfile.TemporaryDirectory(prefix="docker-config-") as folder:
        commands: list[tuple[tuple[str, ...], str | None]] = [(("pull", "--quiet", image), None)]
        if password is not None:
            login = ("login", "--username", "AWS", "--password-stdin", named["registry"])
            commands.insert(0, (login, password))
        for arguments, text in commands:
            done = _docker("--config", folder, *arguments, text=text)
            if done.returncode != 0:
                raise ArtifactError(f"docker:{image} cannot be pulled: {done.stderr.strip()}")


def _allowed(repository: str, digest: str, url: str, credentials: Credentials) -> str:
    """Ask for everything that a pull takes, and return the registry's password.

    The registry itself lets everybody in; ECR's answers to these requests are where the role's rights count.
    """
    ecr = client("ecr", url, credentials)
    (access,) = ecr.get_authorization_token()["authorizationData"]
    found = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    if not found["images"]:
        raise ArtifactError(f"{repository}@{digest} is not in the account's registry")
    ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=digest)
    password: str = base64.b64decode(access["authorizationToken"]).decode().partition(":")[2]
    return password


def _docker(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["docker", *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=PULL_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise ArtifactError("Docker is not installed on this core") from error


def remove(image: str) -> None:
    """Take a name from an image of Docker's, and the image with it where it has no other."""
    _docker("image", "rm", image)


def forget_kept(container: str) -> None:
    """Take the names from the images that the component with this container keeps for itself."""
    for name in (f"edgecam/kept:{container}", f"edgecam/kept:{container}.old"):
        _docker("image", "rm", "--no-prune", name)


def forget(url: str) -> None:
    """Take the names of the registry of the embedded AWS at `url` from images that were pushed or pulled.

    Its port is another one next time: they would only pile up. An image that has other names stays.
    """
    registries = (f"{urlsplit(url).netloc}/", f"{open_registry(url)}/")
    named = _docker("image", "ls", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}")
    for line in named.stdout.splitlines():
        repository, tag, digest = line.split()
        if repository.startswith(registries):
            name = f"{repository}@{digest}" if tag == "<none>" else f"{repository}:{tag}"
            _docker("image", "rm", "--no-prune", name)
