"""Cameras that speak RTSP, with TLS (`rtsps`) or without."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import unquote, urlsplit

from edgecam.config.camera import Camera
from edgecam.config.hosts import Address, authority_of
from edgecam.credentials.login import Login
from edgecam.errors import (
    SourceError,
    SourceFlooded,
    SourceRedirected,
    SourceTls,
    SourceUntrusted,
)
from edgecam.gstreamer.diagnosis import GstError, explain_connect
from edgecam.gstreamer.gst import (
    Gio,
    GLib,
    OwnCertificate,
    connect,
    guarded,
    make,
    structure_of,
)
from edgecam.sources.base import Source
from edgecam.sources.rtp import RtpSource, coding_of, is_readable
from edgecam.sources.rtsp_faults import explain_rtsp, is_transport_refused, refused_transport
from edgecam.sources.tcp_connections import OwnSockets

log = logging.getLogger(__name__)

_REDIRECTS_LIMIT = 3  # a camera sends to its stream, that one perhaps to a stream of the time: more is a loop
_DESCRIPTION_BYTES_LIMIT = 256_000
"""What may come until the streams are known: descriptions (SDP) take a few kB. rtspsrc reads long ones, and
many headers, in time that grows with their square."""
_ANSWERS_BYTES_LIMIT = 4_000_000
"""What may come from then on until the first picture data: what is sent after PLAY may already wait in the
kernel's buffer (net.ipv4.tcp_rmem)."""

_US_PER_S = 1_000_000
_TLS_FLAWS = (
    ("UNKNOWN_CA", "it is signed by nobody we trust"),
    ("BAD_IDENTITY", "it belongs to another host name"),
    ("EXPIRED", "it has expired"),
    ("NOT_ACTIVATED", "it is not valid yet; check the clocks"),
    ("REVOKED", "it has been revoked"),
    ("INSECURE", "its algorithm is not secure"),
)


class RtspSource(RtpSource):
    """A camera on the network. User name and password are properties, never part of a text."""

    is_live = True

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        super().__init__(camera, login)
        self._url = urlsplit(camera.uri)
        self._address = authority_of(camera.uri)
        self._login = self._login or self._login_in_uri()
        self._is_selected = False
        self._sockets = OwnSockets(self._host)

    def received_bytes(self) -> int:
        return self._sockets.received_bytes() + self._datagram_bytes()

    def check(self, now_s: float) -> None:
        del now_s
        if self.has_begun:
            return
        limit, what = (
            (_ANSWERS_BYTES_LIMIT, "before the first picture data")
            if self.offered
            else (_DESCRIPTION_BYTES_LIMIT, "before a description of the streams")
        )
        if (found := self.received_bytes()) > limit:
            raise SourceFlooded(
                f"{self.name}: expected at most {limit / 1e6:g} MB of answers {what}, "
                f"found {found / 1e6:.1f} MB; is this a camera?"
            )

    def cut(self) -> None:
        self._sockets.cut()

    def close(self) -> None:
        super().close()
        self._sockets.close()

    def explain(self, error: GstError) -> SourceError:
        if self.offered and not self._is_selected:
            return self._unreadable()
        if self.fault is not None:
            return self.fault
        if self._is_selected and is_transport_refused(error):
            return refused_transport(self.name, self._camera.transport)
        if self.offered:
            return explain_connect(self.name, self._host, self._port, error)
        return explain_rtsp(self.name, self._camera, self._host, self._port, error)

    @property
    def _host(self) -> str:
        return self._address.host

    @property
    def _port(self) -> int:
        return self._port_at(self._address)

    def _port_at(self, address: Address) -> int:
        return address.port or self._camera.scheme.default_port or 0

    def _login_in_uri(self) -> Login | None:
        if self._url.username is None:
            return None
        return Login(unquote(self._url.username), unquote(self._url.password or ""))

    def _fill(self) -> None:
        without_login = self._url._replace(netloc=self._url.netloc.rpartition("@")[2])
        location = without_login.geturl()
        if self._login is not None:
            location = self._login.filled_into(location)
        timeout_us = round(self._camera.connect_timeout_s * _US_PER_S)
        rtsp = make(
            "rtspsrc",
            location=location,
            protocols=self._camera.transport + ("+tls" if self._camera.scheme.takes_tls else ""),
            latency=self._camera.latency_ms,
            tcp_timeout=timeout_us,
            timeout=timeout_us,
            user_agent="edgecam",
        )
        if self._login is not None:
            rtsp.set_property("user-id", self._login.username)
            rtsp.set_property("user-pw", self._login.password)
        if self._camera.recording.enabled:
            self._keep_times(rtsp)
        self._set_trust(rtsp)
        self._add(rtsp)
        connect(rtsp, "before-send", self._on_request, False)
        connect(rtsp, "select-stream", self._on_select, False)
        connect(rtsp, "pad-added", self._on_pad)
        connect(rtsp, "no-more-pads", self._on_all_pads)

    def _keep_times(self, rtsp: Any) -> None:
        """What is recorded keeps the camera's own times: when pictures were taken, not when they came.

        By default the jitter buffer bends the stream's clock towards ours, by tens of milliseconds in the
        first seconds; where pictures are reordered, two of them even fall on one time, and over UDP a burst
        after a stall has hardly any time at all. The price over UDP: with a camera's clock that runs ahead of
        ours a lost packet is waited for by as much longer, a second or two after a day.
        """
        rtsp.set_property("add-reference-timestamp-meta", True)
        rtsp.set_property("buffer-mode", 0)

    def _set_trust(self, rtsp: Any) -> None:
        tls = self._camera.tls
        if tls.certificate_file is not None:
            self._show_certificate(rtsp, tls.certificate_file)
        if not tls.verify:
            rtsp.set_property("tls-validation-flags", Gio.TlsCertificateFlags(0))
        elif self._camera.scheme.takes_tls:
            connect(rtsp, "accept-certificate", self._on_certificate, False)

    def _show_certificate(self, rtsp: Any, path: str) -> None:
        """To the camera, when it asks who we are."""
        try:
            certificate = Gio.TlsCertificate.new_from_file(path)
        except GLib.Error as error:
            raise SourceTls(
                f"{self.name}: expected tls.certificate_file {path} to be a PEM file with a certificate and "
                f"its key, found: {error.message}"
            ) from None
        rtsp.set_property("tls-interaction", OwnCertificate(certificate))

    @guarded("a request was about to be sent", Source._report, False)
    def _on_request(self, rtsp: Any, _message: Any) -> bool:
        """On rtspsrc's own thread, before each request: whether it may be sent.

        rtspsrc follows every redirect, wherever it leads, and logs in there when it is asked to.
        """
        scheme, _, target = rtsp.get_property("location").partition("://")
        try:
            address = authority_of(f"//{target}")
        except ValueError:
            raise SourceRedirected(
                f"{self.name}: expected a redirect to a host and port, found one to something else"
            ) from None
        if (scheme, address.host.lower()) != (self._url.scheme, self._host.lower()):
            raise SourceRedirected(
                f"{self.name}: expected a redirect to stay at the same host and as well protected, "
                f"found one to {scheme}://{address.in_uri}; give the address that it leads to as uri"
            )
        connections = self._sockets.about_to_send(self._port_at(address))
        if connections > 1 + _REDIRECTS_LIMIT:
            raise SourceRedirected(
                f"{self.name}: expected at most {_REDIRECTS_LIMIT} redirects, found that they go on"
            )
        return True

    @guarded("a certificate was judged", Source._report, False)
    def _on_certificate(self, _rtsp: Any, _connection: Any, certificate: Any, flaws: Any) -> bool:
        """On rtspsrc's own thread, when the system's authorities do not vouch for the certificate."""
        ca_file = self._camera.tls.ca_file
        if ca_file is not None:
            try:
                authorities = Gio.TlsFileDatabase.new(ca_file)
            except GLib.Error as error:
                raise SourceUntrusted(
                    f"{self.name}: expected tls.ca_file {ca_file} to be a PEM file, found: {error.message}"
                ) from None
            flaws = authorities.verify_chain(
                certificate,
                "1.3.6.1.5.5.7.3.1",  # purpose: authenticate a server (RFC 5280, 4.2.1.12)
                Gio.NetworkAddress.new(self._host, self._port),
                None,
                Gio.TlsDatabaseVerifyFlags.NONE,
                None,
            )
        if not int(flaws):
            return True
        names = [
            text for name, text in _TLS_FLAWS if int(flaws) & int(getattr(Gio.TlsCertificateFlags, name))
        ]
        self.fault = SourceUntrusted(
            f"{self.name}: expected a certificate that can be verified, found one where "
            f"{' and '.join(names) or 'something is wrong'}; "
            "give tls: {ca_file: …} or, knowingly, tls: {verify: false}"
        )
        return False

    @guarded("a camera's stream was chosen", Source._report, False)
    def _on_select(self, _rtsp: Any, _number: int, caps: Any) -> bool:
        """On rtspsrc's own thread, for each stream the camera offers: only the first readable video is asked
        for."""
        structure = structure_of(caps)
        media, coding = structure.get_string("media"), coding_of(structure)
        self._note_offer(f"{media} {coding or '?'}")
        # Audio joins here, as a second stream that is selected.
        if media != "video" or not is_readable(coding) or self._is_selected:
            return False
        self._is_selected = True
        return True

    @guarded("a camera's stream appeared", Source._report, None)
    def _on_pad(self, _rtsp: Any, pad: Any) -> None:
        """On rtspsrc's own thread."""
        self._take(pad)

    @guarded("a camera's streams were counted", Source._report, None)
    def _on_all_pads(self, _rtsp: Any) -> None:
        """On rtspsrc's own thread."""
        if not self._is_selected:
            raise self._unreadable()
