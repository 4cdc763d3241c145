"""Variables of recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.core.interpolation import Variables
from sandbox.errors import InterpolationError

VARIABLES = Variables(
    configuration={
        "text": 'a "quoted" $HOME `x` it\'s',
        "object": {"b": [1, 2.5, None, True], "ü": "ö"},
        "number": 3,
        "flag": False,
        "empty": "",
        "a/b": {"c~d": "found"},
        "list": ["x"],
    },
    artifacts=Path("/root/packages/c/1"),
    work=Path("/root/work/c"),
    root=Path("/root"),
    thing_name="core-1",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{configuration:/text}", 'a "quoted" $HOME `x` it\'s'),
        ("{configuration:/object}", '{"b":[1,2.5,null,true],"ü":"ö"}'),
        ("{configuration:/object/b}", "[1,2.5,null,true]"),
        ("{configuration:/number}{configuration:/flag}[{configuration:/empty}]", "3false[]"),
        ("{configuration:/a~1b/c~0d}", "found"),
        ("{artifacts:path}/image {work:path}", "/root/packages/c/1/image /root/work/c"),
        ("{kernel:rootPath} {iot:thingName}", "/root core-1"),
        ("f() ( echo $1 ) } $NAME", "f() ( echo $1 ) } $NAME"),
    ],
)
def test_variables_are_replaced_and_the_rest_stays(text: str, expected: str) -> None:
    assert VARIABLES.interpolate(text, "run") == expected


@pytest.mark.parametrize(
    "text",
    [
        "{configuration:/missing}",
        "{configuration:/object/missing}",
        "{configuration:/list/0}",
        "{configuration:}",
        "{configuration:/}",
        "{artifacts:decompressedPath}",
        "{com.example.other:configuration:/a}",
        "${NAME:-default}",
        "${NAME}",
        "f() { echo $1; }",
        "{configuration:/number",
    ],
)
def test_what_lite_refuses_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InterpolationError, match=r"com\.edgecam's run Setenv X"):
        VARIABLES.interpolate(text, "com.edgecam's run Setenv X")


def test_value_that_looks_like_a_variable_is_not_replaced_again() -> None:
    variables = Variables(
        configuration={"a": "{configuration:/b}", "b": "no"},
        artifacts=Path(),
        work=Path(),
        root=Path(),
        thing_name="",
    )
    assert variables.interpolate("{configuration:/a}", "run") == "{configuration:/b}"
