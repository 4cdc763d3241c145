"""Why an RTSP camera does not deliver, where GStreamer says "(Generic error)" or names a plug-in."""

from __future__ import annotations

from edgecam.config.camera import Camera
from edgecam.errors import SourceEnded, SourceError, SourceTls, SourceTransport, SourceUnreachable
from edgecam.gstreamer.diagnosis import GstError, explain_connect
from edgecam.rtsp.tls_preflight import Speech, speech_of

_OTHERS = {"tcp": "udp", "udp": "tcp"}


def is_transport_refused(error: GstError) -> bool:
    """Whether no stream could be set up as it was asked for (461, RFC 2326, 11.3.14)."""
    return error.mentions("transport protocols", "unsupported transport", "(461)", "no protocols left")


def refused_transport(name: str, transport: str) -> SourceTransport:
    """The camera has the streams, and sends them another way."""
    return SourceTransport(
        f"{name}: expected the camera to send over {transport} (transport: {transport}), found that it "
        f"refuses (461); set transport: {_OTHERS[transport]}, or, where it refuses that as well, switch "
        "multicast off and unicast on at the camera; edgecam probe tries both"
    )


def only_multicast(name: str) -> SourceTransport:
    """The camera has refused one transport, and the other."""
    return SourceTransport(
        f"{name}: expected the camera to send over tcp or udp, found that it refuses both (461): it sends by "
        "multicast alone; switch unicast on at the camera (RTP over RTSP, or RTP over UDP)"
    )


def explain_rtsp(name: str, camera: Camera, host: str, port: int, error: GstError) -> SourceError:
    """What `error` means before any stream is known; asks the port once more where it does not say.

    Blocks for some seconds at the most.
    """
    explained = explain_connect(name, host, port, error)
    if type(explained) not in (SourceError, SourceEnded, SourceUnreachable):
        return explained
    speech = speech_of(host, port)
    if camera.scheme.takes_tls:
        return _of_encrypted(name, camera, port, speech) or explained
    if speech in (Speech.TLS, Speech.TLS_WITH_CLIENT_CERTIFICATE):
        return SourceTls(
            f"{name}: expected RTSP without TLS on port {port}, found that this port speaks TLS; "
            "begin the uri with rtsps://"
        )
    return explained


def _of_encrypted(name: str, camera: Camera, port: int, speech: Speech) -> SourceTls | None:
    if speech is Speech.PLAIN:
        return SourceTls(
            f"{name}: expected TLS on port {port} (rtsps://), found that this port speaks without it; begin "
            "the uri with rtsp://, or give the camera's port for TLS, mostly 322"
        )
    if speech is not Speech.TLS_WITH_CLIENT_CERTIFICATE:
        return None
    if camera.tls.certificate_file is None:
        return SourceTls(
            f"{name}: expected to be let in without a certificate of our own, found that the camera asks for "
            "one; give tls: {certificate_file: …}"
        )
    return SourceTls(
        f"{name}: expected the camera to accept tls.certificate_file {camera.tls.certificate_file}, found "
        "that it does not; give one that its authority has signed"
    )
