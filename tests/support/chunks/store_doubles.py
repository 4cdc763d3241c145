"""What a bucket is handed by an upload: rate_limit and session, as simple as they can be."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class UnlimitedRate:
    """Never waits; remembers what it was asked."""

    requests: int = 0
    piece_bytes: int = 256 * 1024
    sent: list[int] = field(default_factory=list)

    def request(self) -> None:
        self.requests += 1

    def send(self, size_bytes: int) -> None:
        self.sent.append(size_bytes)


@dataclass
class MemorySession:
    """What a spool keeps of an upload in parts."""

    text: str | None = None
    saved: list[str] = field(default_factory=list)

    def load(self) -> str | None:
        return self.text

    def save(self, text: str) -> None:
        self.text = text
        self.saved.append(text)

    def clear(self) -> None:
        self.text = None
