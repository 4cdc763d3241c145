"""What of a recipe fits into Nucleus Lite."""

from __future__ import annotations

import pytest

from sandbox.core.lite.limits import SizeError, check_recipe


@pytest.mark.parametrize("size", [8_196, 7_000])
def test_recipe_that_fits_into_its_file_is_taken(size: int) -> None:
    check_recipe("com.example.x", "1.0.0", b"x" * size)


@pytest.mark.parametrize(
    ("size", "why"),
    [
        (8_197, "recipe file for: com.example.x: 8197 bytes, at most 8196"),
        (12_200, "an answer of 16[0-9]{3} bytes, at most 16384"),
        (13_100, "an answer of 17[0-9]{3} bytes, at most 16384"),
    ],
)
def test_larger_recipe_is_refused(size: int, why: str) -> None:
    with pytest.raises(SizeError, match=why):
        check_recipe("com.example.x", "1.0.0", b"x" * size)
