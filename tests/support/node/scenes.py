"""What cameras of screenshots see: drawn, so that they are the same each time and nobody's."""

from __future__ import annotations

from playwright.sync_api import Browser

WIDTH, HEIGHT = 640, 360
_JPEG_QUALITY = 80
_CLOCK = "2026-11-21 09:45:35"


def _rectangles(fill: str, *places: tuple[float, float, float, float]) -> str:
    return "".join(
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}"/>'
        for x, y, width, height in places
    )


def _car(x: float, y: float, fill: str) -> str:
    return (
        f'<g transform="translate({x} {y})"><rect width="62" height="106" rx="16" fill="{fill}"/>'
        '<rect x="9" y="24" width="44" height="20" rx="5" fill="#1d2b36"/>'
        '<rect x="11" y="78" width="40" height="13" rx="4" fill="#1d2b36"/></g>'
    )


def _person(x: float, y: float, fill: str, size: float = 1.0) -> str:
    return (
        f'<g transform="translate({x} {y}) scale({size})">'
        '<ellipse cx="0" cy="92" rx="26" ry="6" fill="#0003"/>'
        f'<rect x="-9" y="48" width="7" height="44" fill="#2b3540"/><rect x="2" y="48" width="7" height="44" '
        f'fill="#2b3540"/><rect x="-15" y="6" width="30" height="50" rx="10" fill="{fill}"/>'
        '<circle cx="0" cy="-8" r="11" fill="#d9a98a"/></g>'
    )


SCENES = {
    "lobby": _rectangles("#dfe3e0", (0, 0, 640, 230))
    + '<path d="M0 230h640v130H0z" fill="#b9b2a5"/><path d="M0 360 210 230h220l210 130z" fill="#c9c3b7"/>'
    + _rectangles("#8fb8c4", (215, 60, 100, 170), (325, 60, 100, 170))
    + _rectangles("#3d4b52", (209, 54, 222, 7), (209, 54, 7, 176), (316, 54, 8, 176), (424, 54, 7, 176))
    + _rectangles("#7c5b3f", (470, 170, 140, 70))
    + _rectangles("#93704f", (462, 160, 156, 14))
    + '<circle cx="70" cy="178" r="34" fill="#3f7d57"/><circle cx="96" cy="154" r="26" fill="#4c9166"/>'
    + _rectangles("#a5583a", (58, 205, 42, 40))
    + _person(290, 190, "#2f6d8c", 1.15)
    + _person(540, 108, "#8a4b5a", 0.95),
    "car-park": _rectangles("#565c60", (0, 0, 640, 360))
    + _rectangles("#d8d8d0", *((x, 20, 4, 130) for x in range(40, 640, 92)))
    + _rectangles("#d8d8d0", *((x, 220, 4, 130) for x in range(40, 640, 92)))
    + _car(57, 32, "#b3402f")
    + _car(241, 34, "#d9dbdd")
    + _car(333, 30, "#3b6ea5")
    + _car(517, 33, "#3a3f44")
    + _car(149, 234, "#c9b458")
    + _car(425, 232, "#7c8a8f")
    + _person(330, 172, "#c9702f", 0.5),
    "loading-dock": _rectangles("#9aa5ab", (0, 0, 640, 250))
    + '<path d="M0 250h640v110H0z" fill="#6d7276"/>'
    + _rectangles("#5b666d", (50, 80, 150, 170), (245, 80, 150, 170), (440, 80, 150, 170))
    + _rectangles("#49535a", *((440, y, 150, 4) for y in range(96, 250, 22)))
    + _rectangles("#49535a", *((50, y, 150, 4) for y in range(96, 250, 22)))
    + _rectangles("#ece8dc", (252, 66, 136, 196))
    + _rectangles("#c7c1b0", (318, 66, 4, 196))
    + _rectangles("#26303a", (262, 262, 30, 26), (348, 262, 30, 26))
    + _rectangles("#e2b93b", (0, 300, 640, 8))
    + _rectangles("#a97c4e", (80, 262, 60, 40), (92, 228, 40, 34))
    + _person(470, 214, "#e08a2e", 1.1),
    "till": _rectangles("#e9e1d2", (0, 0, 640, 210))
    + '<path d="M0 210h640v150H0z" fill="#cfc5b4"/>'
    + _rectangles("#b9603f", (40, 40, 120, 150), (180, 40, 120, 150))
    + _rectangles("#f3ece0", *((x, y, 22, 30) for x in (50, 80, 110, 190, 220, 250) for y in (52, 98, 144)))
    + _rectangles("#6b7d63", (330, 210, 270, 90))
    + _rectangles("#80947a", (320, 196, 290, 18))
    + _rectangles("#2a3238", (400, 150, 70, 46), (428, 192, 12, 8))
    + _person(520, 110, "#7a3f63", 1.0)
    + _person(250, 170, "#3e6f5c", 1.25),
    "aisle": _rectangles("#c4c9cc", (0, 0, 640, 360))
    + '<path d="M260 150h120l190 210H70z" fill="#8d9498"/>'
    + '<path d="M0 0h120l140 120v60L0 360z" fill="#55707f"/>'
    + '<path d="M640 0H520L380 120v60l260 180z" fill="#4b6472"/>'
    + '<g stroke="#d98b3a" stroke-width="7"><path d="M0 110 260 136M0 230 260 160"/>'
    + '<path d="M640 110 380 136M640 230 380 160"/></g>'
    + _rectangles("#b98d5b", (30, 60, 60, 56), (110, 84, 46, 46), (500, 84, 46, 46), (566, 62, 56, 52))
    + _person(318, 146, "#d0792c", 0.8),
}
"""Drawings by name: SVG of `WIDTH` by `HEIGHT`."""
SCENES["gate"] = SCENES["car-park"]


def pictures_of(browser: Browser) -> dict[str, bytes]:
    """Each scene as a JPEG file, with the time of day as cameras write it, made by the browser."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    pictures = {}
    for name, drawing in SCENES.items():
        page.set_content(
            f'<style>body{{margin:0}}</style><svg width="{WIDTH}" height="{HEIGHT}">{drawing}'
            f'<text x="14" y="26" font-family="monospace" font-size="16" fill="#fff" stroke="#0008" '
            f'stroke-width="3" paint-order="stroke">{_CLOCK}</text></svg>'
        )
        pictures[name] = page.screenshot(type="jpeg", quality=_JPEG_QUALITY)
    page.close()
    return pictures
