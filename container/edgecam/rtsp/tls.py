"""TLS to a camera: whom to trust, and what is wrong with a certificate in plain words."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

from edgecam.config.camera import Tls
from edgecam.errors import SourceError, SourceTls, SourceUnreachable, SourceUntrusted
from edgecam.rtsp.faults import NotOurs

_FLAWS = {
    # X509_V_ERR_… of OpenSSL's x509_vfy.h.
    9: "it is not valid yet; check the clocks",
    10: "it has expired",
    18: "it is signed by nobody we trust",
    19: "it is signed by nobody we trust",
    20: "it is signed by nobody we trust",
    21: "it is signed by nobody we trust",
    23: "it has been revoked",
    62: "it belongs to another host name",
    64: "it belongs to another host name",
    66: "its algorithm is not secure",
    67: "its algorithm is not secure",
    68: "its algorithm is not secure",
}
_OLD = (
    *("UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "PROTOCOL_VERSION", "WRONG_SSL_VERSION"),
    *("LEGACY", "DH_KEY_TOO_SMALL", "EE_KEY_TOO_SMALL", "NO_SHARED_CIPHER", "NO_CIPHERS_AVAILABLE"),
)
"""What OpenSSL says of a camera that speaks what it no longer does; GnuTLS, which GStreamer has, may."""
_PLAIN = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
ASKS = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN")


_SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_CONTEXTS_LIMIT = 32
_contexts: dict[tuple[Tls, tuple[object, ...]], ssl.SSLContext] = {}


def context_for(name: str, settings: Tls) -> ssl.SSLContext:
    """How `settings` say that a camera is to be trusted. Reads files; the same context as before while these
    have not changed, since the system's authorities take 20 ms.

    Raises:
        SourceUntrusted: the authorities cannot be read.
        SourceTls: our own certificate cannot be read.
    """
    key = settings, tuple(map(_version_of, (settings.ca_file, settings.certificate_file)))
    context = _contexts.get(key)
    if context is None:
        context = _made_context(name, settings)
        if len(_contexts) >= _CONTEXTS_LIMIT:
            _contexts.clear()
        _contexts[key] = context
    return context


def _version_of(path: str | None) -> object:
    if path is None:
        return None
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _made_context(name: str, settings: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context()
    with contextlib.suppress(OSError):
        # OpenSSL's own paths lead to a folder of single files, which the image does not have.
        context.load_verify_locations(_SYSTEM_AUTHORITIES)
    # As GStreamer judges: authorities of cameras are seldom made by the book, and what is trusted may be the
    # camera's own certificate.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SourceUntrusted(
                f"{name}: expected tls.ca_file {settings.ca_file} to be a PEM file, found: {_text(error)}"
            ) from None
    if settings.certificate_file is not None:
        try:
            context.load_cert_chain(settings.certificate_file, password="")
        except (OSError, ssl.SSLError) as error:
            raise SourceTls(
                f"{name}: expected tls.certificate_file {settings.certificate_file} to be a PEM file with a "
                f"certificate and its key, found: {_text(error)}"
            ) from None
    return context


def explained(name: str, port: int, error: ssl.SSLError, *, certificate_file: str | None) -> SourceError:
    """Why there is no encrypted connection.

    Args:
        name: The camera's, redacted.
        port: Of the connection.
        error: What was raised.
        certificate_file: Our own certificate, where there is one.

    Raises:
        NotOurs: the camera speaks what OpenSSL no longer does.
    """
    reason = (error.reason or "").upper()
    if isinstance(error, ssl.SSLCertVerificationError):
        flaw = _FLAWS.get(error.verify_code, error.verify_message)
        return SourceUntrusted(
            f"{name}: expected a certificate that can be verified, found one where {flaw}; "
            "give tls: {ca_file: …} or, knowingly, tls: {verify: false}"
        )
    if any(word in reason for word in _PLAIN):
        return SourceTls(
            f"{name}: expected TLS on port {port} (rtsps://), found that this port speaks without it; begin "
            "the uri with rtsp://, or give the camera's port for TLS, mostly 322"
        )
    if any(word in reason for word in _OLD):
        raise NotOurs(f"TLS as the camera speaks it ({reason.lower().replace('_', ' ')})")
    if any(word in reason for word in ASKS):
        return asks_for_certificate(name, certificate_file)
    return SourceUnreachable(f"{name}: expected an encrypted connection, found {_text(error)}")


def asks_for_certificate(name: str, certificate_file: str | None) -> SourceTls:
    """A camera that lets nobody in without one."""
    if certificate_file is None:
        return SourceTls(
            f"{name}: expected to be let in without a certificate of our own, found that the camera asks for "
            "one; give tls: {certificate_file: …}"
        )
    return SourceTls(
        f"{name}: expected the camera to accept tls.certificate_file {certificate_file}, found "
        "that it does not; give one that its authority has signed"
    )


def _text(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no certificate").lower().replace("_", " ")
    return getattr(error, "strerror", None) or "no file that can be read"
