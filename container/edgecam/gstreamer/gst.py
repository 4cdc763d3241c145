"""The door to GStreamer: the only module that imports `gi`.

Everything here needs the typelib of GStreamer's core alone. appsink and appsrc are used by their signals
(`emit`), because the typelibs of the base plugins come with a hundred megabytes of graphics drivers.
"""

from __future__ import annotations

import functools
import itertools
import logging
import weakref
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from edgecam.errors import InstallationError
from edgecam.gstreamer import library_log

log = logging.getLogger(__name__)

VERSION_FLOOR = (1, 22)
"""Debian 12's. Older ones lack appsrc's leaky queues and h264parse's repairs that cameras need."""

_PACKAGES = {
    "appsink": "gstreamer1.0-plugins-base",
    "appsrc": "gstreamer1.0-plugins-base",
    "parsebin": "gstreamer1.0-plugins-base",
    "videoconvert": "gstreamer1.0-plugins-base",
    "videoscale": "gstreamer1.0-plugins-base",
    "videotestsrc": "gstreamer1.0-plugins-base",
    "h264parse": "gstreamer1.0-plugins-bad",
    "h265parse": "gstreamer1.0-plugins-bad",
    "avdec_h264": "gstreamer1.0-libav",
    "avdec_h265": "gstreamer1.0-libav",
    "openh264dec": "gstreamer1.0-plugins-bad",
}
_OTHER_PACKAGE = "gstreamer1.0-plugins-good"

_ON_THREADS = (
    "NetworkAddress",
    "TlsCertificate",
    "TlsCertificateFlags",
    "TlsConnection",
    "TlsDatabaseVerifyFlags",
    "TlsFileDatabase",
)
"""Of Gio, what is used where streams run."""

Callback = TypeVar("Callback", bound=Callable[..., Any])


def _load() -> tuple[Any, Any, Any, Any]:
    """`gi`'s Gst, GLib, GObject and Gio, initialised.

    Raises:
        InstallationError: names the package that is missing or too old.
    """
    try:
        import gi
    except ImportError as error:
        raise InstallationError(
            "expected the Python module gi, found none: install python3-gi (apt install python3-gi); "
            "in a virtual environment allow the system's site packages"
        ) from error
    try:
        gi.require_version("Gst", "1.0")
        from gi.repository import Gio, GLib, GObject, Gst
    except (ValueError, ImportError) as error:
        raise InstallationError(
            "expected GStreamer's typelib Gst-1.0, found none: apt install gir1.2-gstreamer-1.0"
        ) from error
    library_log.take_over()
    Gst.init(None)
    found = Gst.version()[:2]
    if found < VERSION_FLOOR:
        raise InstallationError(
            f"expected GStreamer {VERSION_FLOOR[0]}.{VERSION_FLOOR[1]} or newer, "
            f"found {found[0]}.{found[1]}: use Debian 12 or newer"
        )
    _make_classes(Gst, dir(Gst))
    _make_classes(Gio, _ON_THREADS)
    return Gst, GLib, GObject, Gio


def _make_classes(module: Any, names: Iterable[str]) -> None:
    """Have PyGObject make the classes of `names` now. It makes each when it is first asked for, and for two
    threads that ask at once two: an object of the one is then none of the other."""
    for name in names:
        getattr(module, name)


Gst, GLib, GObject, Gio = _load()


class OwnCertificate(Gio.TlsInteraction):  # type: ignore[misc, name-defined]
    """Answers a peer of TLS that asks who we are.

    Args:
        certificate: A Gio.TlsCertificate with its key.
    """

    def __init__(self, certificate: Any) -> None:
        super().__init__()
        self._certificate = certificate

    def do_request_certificate(self, connection: Any, _flags: Any, _cancellable: Any) -> Any:
        """On GIO's thread."""
        connection.set_certificate(self._certificate)
        return Gio.TlsInteractionResult.HANDLED


def has_element(kind: str) -> bool:
    """Whether GStreamer knows the element `kind` on this machine."""
    return Gst.ElementFactory.find(kind) is not None


def make(kind: str, **properties: object) -> Any:
    """A new element; underscores in names of properties stand for hyphens.

    Raises:
        InstallationError: names the package that has the element.
    """
    element = Gst.ElementFactory.make(kind, None)
    if element is None:
        package = _PACKAGES.get(kind, _OTHER_PACKAGE)
        raise InstallationError(f"expected the GStreamer element {kind}, found none: apt install {package}")
    for name, value in properties.items():
        set_property(element, name.replace("_", "-"), value)
    return element


def set_property(element: Any, name: str, value: object) -> None:
    """Set a property; text is read as gst-launch reads it (enumerations by nick, caps, fractions)."""
    kind = element.find_property(name).value_type
    if isinstance(value, str) and kind != GObject.TYPE_STRING:
        Gst.util_set_object_arg(element, name, value)
    else:
        element.set_property(name, value)


def link(*elements: Any) -> None:
    """Link each element to the next.

    Raises:
        RuntimeError: two of them do not fit, which is a mistake in this program.
    """
    for upstream, downstream in itertools.pairwise(elements):
        if not upstream.link(downstream):
            raise RuntimeError(f"cannot link {upstream.get_name()} to {downstream.get_name()}")


def link_pads(upstream: Any, downstream: Any) -> None:
    """Link two pads.

    Raises:
        RuntimeError: they do not fit, which is a mistake in this program.
    """
    if upstream.link(downstream) != Gst.PadLinkReturn.OK:
        raise RuntimeError(f"cannot link the pad {upstream.get_name()} to {downstream.get_name()}")


def measured_bytes(identity: Any) -> int:
    """How many bytes have passed through an `identity` element."""
    return int(identity.get_property("stats").get_uint64("num-bytes")[1])


def measured_buffers(identity: Any) -> int:
    """How many buffers have passed through an `identity` element."""
    return int(identity.get_property("stats").get_uint64("num-buffers")[1])


def structure_of(caps: Any) -> Any:
    """The first structure of `caps`, or None when there is none."""
    return caps.get_structure(0) if caps is not None and caps.get_size() else None


def connect(element: Any, signal: str, method: Callable[..., Any], otherwise: Any = None) -> None:
    """Call the bound `method` at each `signal` of `element`, as long as the object behind the method lives.

    Signal closures hold their callback strongly, and Python's garbage collector does not see a cycle that
    goes through a C object: an object that owns an element and is called by it would live for ever, with the
    element's descriptors, buffers and threads.

    Args:
        otherwise: What GStreamer is answered once the object is gone.
    """
    element.connect(signal, _weak(method, otherwise))


def add_probe(pad: Any, kinds: Any, method: Callable[..., Any]) -> None:
    """Call the bound `method` for what passes through `pad`; holds it as `connect` does."""
    pad.add_probe(kinds, _weak(method, Gst.PadProbeReturn.OK))


def handle_messages(bus: Any, method: Callable[[Any], None]) -> None:
    """Call the bound `method` with each message on `bus`, on the thread that posts it; holds it as `connect`
    does. Nobody else need look at the bus.

    A handler that drops a message has to free it, which Python cannot: it would keep its element, and with it
    the whole pipeline, for ever. So each stays on the bus until the next comes, or the pipeline ends.
    """
    call = _weak(method, None)

    def handler(posted_on: Any, message: Any) -> Any:
        call(message)
        while posted_on.pop() is not None:
            pass
        return Gst.BusSyncReply.PASS

    bus.set_sync_handler(handler)


def _weak(method: Callable[..., Any], otherwise: Any) -> Callable[..., Any]:
    reference = weakref.WeakMethod(method)

    def call(*args: Any) -> Any:
        target = reference()
        return otherwise if target is None else target(*args)

    return call


def guarded(
    describe: str, on_fault: Callable[[Any, Exception], None], otherwise: Any
) -> Callable[[Callback], Callback]:
    """Decorate a method that GStreamer calls on one of its threads.

    PyGObject prints an exception in a callback and goes on as if nothing had been. Here it is handed to
    `on_fault(self, error)`, and the callback returns `otherwise`.
    """

    def decorate(method: Callback) -> Callback:
        @functools.wraps(method)
        def call(self: Any, *args: Any) -> Any:
            try:
                return method(self, *args)
            except Exception as error:
                error.add_note(f"while {describe}")
                on_fault(self, error)
                return otherwise

        return cast(Callback, call)

    return decorate
