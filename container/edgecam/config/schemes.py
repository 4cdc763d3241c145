"""Where pictures may come from: one row a scheme, read by validation, mounts, probe, --help and `docs/`.

A source is a row here, a class in `sources`, its elements in the image and a test camera.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from urllib.parse import unquote, urlsplit

from edgecam.config.queries import QuerySetting, pattern, pixels, rate


class Form(StrEnum):
    """What follows a scheme's colon; the value is the expectation in messages."""

    HOST_PATH = "//HOST/PATH"
    ABSOLUTE_PATH = "/// and an absolute path"
    QUERY = "// and settings behind a ?, or nothing"
    DESCRIPTION = "a gst-launch description after"


class Mounts(Enum):
    """What a container needs of the machine it runs on."""

    NOTHING = auto()
    READ_FILE = auto()
    READ_FOLDER = auto()
    WRITE_FOLDER = auto()


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """One kind of source.

    Attributes:
        name: Before the colon of a camera's `uri`.
        form: What stands behind it.
        example: For the documents.
        meaning: Where the pictures come from, a phrase in Markdown.
        takes_credentials: Whether somebody there asks for a login.
        takes_login_places: Whether `{username}` and `{password}` in the uri are filled in.
        takes_tls: Whether there is a certificate to verify.
        is_encoded: Whether what comes can be recorded without coding it.
        is_fed_from_outside: Whether a program feeds it that may pause, end and come again: no fault then.
        is_percent_encoded: Whether a % in its path encodes a character (RFC 3986, 2.1); else it belongs to
            the number in a file's name.
        mounts: What a container needs for it.
        query: The settings behind the `?`; empty where there are none of ours.
        default_port: TCP port where the uri has none; None without a network.
    """

    name: str
    form: Form
    example: str
    meaning: str
    takes_credentials: bool = False
    takes_login_places: bool = False
    takes_tls: bool = False
    is_encoded: bool = True
    is_fed_from_outside: bool = False
    is_percent_encoded: bool = True
    mounts: Mounts = Mounts.NOTHING
    query: Mapping[str, QuerySetting] = field(default_factory=dict)
    default_port: int | None = None

    @property
    def prefix(self) -> str:
        """How a uri of it begins."""
        return f"{self.name}:" if self.form is Form.DESCRIPTION else f"{self.name}://"

    @property
    def is_paced(self) -> bool:
        """Whether pictures arrive as they are taken, and not as fast as they are read."""
        return self.default_port is not None

    def path_in(self, uri: str) -> str:
        """The path of the file, pipe or numbered pictures that `uri` names."""
        path = urlsplit(uri).path
        return unquote(path) if self.is_percent_encoded else path


RTSP = Scheme(
    name="rtsp",
    form=Form.HOST_PATH,
    example="rtsp://host/path",
    meaning="an RTSP camera: H.264, H.265 or JPEG; over TCP, or `transport: udp`",
    takes_credentials=True,
    takes_login_places=True,
    default_port=554,
)
RTSPS = Scheme(
    name="rtsps",
    form=Form.HOST_PATH,
    example="rtsps://host/path",
    meaning="the same through TLS; `tls: {ca_file: …}`, or knowingly `tls: {verify: false}`",
    takes_credentials=True,
    takes_login_places=True,
    takes_tls=True,
    default_port=322,
)
PIPE = Scheme(
    name="pipe",
    form=Form.ABSOLUTE_PATH,
    example="pipe:///path",
    meaning="a named pipe that any program feeds with FLV, MPEG-TS or fragmented MP4, or with H.264 or H.265 "
    "and no container; made where there is none",
    is_fed_from_outside=True,
    mounts=Mounts.WRITE_FOLDER,
)
FILE = Scheme(
    name="file",
    form=Form.ABSOLUTE_PATH,
    example="file:///path/film.mp4",
    meaning="a file, played in real time, again and again",
    mounts=Mounts.READ_FILE,
)
IMAGES = Scheme(
    name="images",
    form=Form.ABSOLUTE_PATH,
    example="images:///path/seq_%06d.jpg?fps=5",
    meaning="numbered pictures, again and again; a file that is no whole picture is left out and logged",
    is_percent_encoded=False,
    query={"fps": QuerySetting("5", rate)},
    mounts=Mounts.READ_FOLDER,
)
TEST = Scheme(
    name="test",
    form=Form.QUERY,
    example="test://?pattern=ball",
    meaning="a synthetic picture (`width`, `height`, `fps` as well)",
    is_encoded=False,
    query={
        "pattern": QuerySetting("ball", pattern),
        "width": QuerySetting("640", pixels("width")),
        "height": QuerySetting("360", pixels("height")),
        "fps": QuerySetting("15", rate),
    },
)
PIPELINE = Scheme(
    name="pipeline",
    form=Form.DESCRIPTION,
    example="pipeline:DESCRIPTION",
    meaning="a gst-launch description of your own that ends in encoded H.264 or JPEG, or in raw video; caps "
    "at its end as `capsfilter caps=…`; pictures without times are shown 5 a second, or as their caps' "
    "`framerate` says",
    takes_login_places=True,
)

SCHEMES = (RTSP, RTSPS, PIPE, FILE, IMAGES, TEST, PIPELINE)
"""All there are."""


def find_scheme(uri: str) -> Scheme | None:
    """The scheme of `uri`; None where there is no such."""
    name, colon, _ = uri.partition(":")
    return next((scheme for scheme in SCHEMES if colon and scheme.name == name), None)


def scheme_of(uri: str) -> Scheme:
    """The scheme of `uri`, which has its form.

    Raises:
        ValueError: names what was expected.
    """
    scheme = find_scheme(uri)
    if scheme is None:
        names = ", ".join(f"{each.name}:" for each in SCHEMES)
        raise ValueError(f"expected a URI that begins with one of {names}")
    rest = uri.partition(":")[2]
    if scheme.form is Form.DESCRIPTION:
        if not rest.strip():
            raise ValueError(f"expected {scheme.form} {scheme.prefix}")
        return scheme
    if not rest.startswith("//"):
        raise ValueError(f"expected {scheme.name}:// and what follows")
    if scheme.form is Form.QUERY and rest != "//" and not rest.startswith("//?"):
        raise ValueError(f"expected {scheme.name}:{scheme.form}")
    has_host = not rest.startswith("///") and rest != "//"
    if (scheme.form is Form.HOST_PATH and not has_host) or (
        scheme.form is Form.ABSOLUTE_PATH and not rest.startswith("///")
    ):
        raise ValueError(f"expected {scheme.name}:{scheme.form}")
    return scheme


def prefixes_where(is_meant: Callable[[Scheme], bool]) -> str:
    """The prefixes of the schemes that `is_meant`, as `rtsp:// and rtsps://`."""
    *first, last = [scheme.prefix for scheme in SCHEMES if is_meant(scheme)]
    return f"{', '.join(first)} and {last}" if first else last
