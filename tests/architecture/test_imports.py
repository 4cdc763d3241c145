"""The house: which rooms know which. Imports inside of functions and under `TYPE_CHECKING` count."""

from __future__ import annotations

import pytest

from tools.source_tree import circles, is_within, modules, part_of, reached

GI = {
    "edgecam.gstreamer.gst",
    # GstRtspServer, which is in no image.
    "sandbox.cameras.rtsp_server",
    # Run while the image is built, before the program is in it.
    "container.image.stage.prune",
    "container.image.stage.trial",
}
"""Modules that import `gi`: one in the program."""

PROJECT_PACKAGES = (
    *("app", "bench", "container", "edgecam", "examples", "fleet", "fuzz", "sandbox", "stacks", "tools"),
)

NEVER_IMPORTS = {
    # The way of the data: who delivers pictures knows nothing of what becomes of them.
    "edgecam.sources": ("edgecam.capture", "edgecam.frames", "edgecam.recording"),
    # The dashboard is to read buckets without a spool.
    "edgecam.bucket": ("edgecam.spool", "edgecam.upload"),
    # Fleets are validated, and containers started, where no GStreamer is.
    "edgecam.config": ("edgecam.gstreamer",),
    "edgecam.codecs": ("edgecam.gstreamer",),
    "edgecam.status": ("edgecam.gstreamer",),
    "edgecam.launch": ("edgecam.gstreamer",),
    # The program is alone in its image.
    "edgecam": ("app", "bench", "container", "fleet", "fuzz", "sandbox", "stacks", "tools"),
    "container.image": ("app", "bench", "fleet", "fuzz", "sandbox", "stacks", "tools"),
    # Others than AWS may be deployed to from the same file.
    "fleet": ("aws_cdk", "constructs", "cdk_nag", "gi", "sandbox", "stacks", "edgecam.gstreamer"),
    # Synthesis needs no GStreamer.
    "stacks": ("app", "bench", "fuzz", "gi", "sandbox", "tools", "edgecam.gstreamer"),
    # In Lambda there is boto3 and Python.
    "stacks.handlers": tuple(name for name in PROJECT_PACKAGES if name != "stacks"),
    # They run in environments of their own.
    "sandbox.aws.ministack": tuple(name for name in PROJECT_PACKAGES if name != "sandbox"),
    "sandbox.aws.plugin": tuple(name for name in PROJECT_PACKAGES if name != "sandbox"),
    "sandbox": ("bench", "fuzz", "tools"),
    # It is copied into somebody else's project.
    "examples.consumer": tuple(name for name in PROJECT_PACKAGES if name != "examples"),
}
"""Each room, and what neither it nor what it imports may import."""

OPEN_MODULES_MAY_IMPORT = ("edgecam.config",)
"""What lies open in `edgecam` is there for every room, so it knows none but the configuration's words."""


@pytest.mark.parametrize("room", NEVER_IMPORTS)
def test_a_room_never_imports(room: str) -> None:
    within = [name for name in modules() if is_within(name, room)]
    assert within, f"{room} is no room any more"
    for name in within:
        found = {it for it in reached([name]) for other in NEVER_IMPORTS[room] if is_within(it, other)}
        assert not found, f"{name} comes to {sorted(found)}"


def test_one_module_of_the_program_imports_gi() -> None:
    assert {name for name, it in modules().items() if any(is_within(i, "gi") for i in it.imports)} == GI


def test_handlers_import_nothing_of_the_stacks() -> None:
    for name in (name for name in modules() if is_within(name, "stacks.handlers")):
        ours = {it for it in modules()[name].imports if is_within(it, "stacks")}
        assert [it for it in ours if not is_within(it, "stacks.handlers")] == [], name


def test_the_embedded_aws_imports_nothing_around_its_plug_in() -> None:
    plug_in = ("sandbox.aws.plugin", "sandbox.aws.ministack")
    for name in (name for name in modules() if any(is_within(name, room) for room in plug_in)):
        ours = {it for it in modules()[name].imports if is_within(it, "sandbox")}
        assert [it for it in ours if not any(is_within(it, room) for room in plug_in)] == [], name


def test_one_room_touches_ministack() -> None:
    users = {name for name, it in modules().items() if any(is_within(i, "ministack") for i in it.imports)}
    assert {name.rpartition(".")[0] for name in users} == {"sandbox.aws.ministack"}


def test_what_lies_open_in_the_program_knows_no_room() -> None:
    for module in modules().values():
        if module.package == "edgecam" and not module.is_room and module.name != "edgecam.__main__":
            rooms = {name.rpartition(".")[0] for name in module.imports if name.startswith("edgecam.")}
            assert rooms - {"edgecam"} <= set(OPEN_MODULES_MAY_IMPORT), module.path


def test_modules_form_no_circle() -> None:
    graph = {name: {it for it in module.imports if it in modules()} for name, module in modules().items()}
    assert [" → ".join(circle) for circle in circles(graph)] == []


@pytest.mark.parametrize("package", sorted({module.package for module in modules().values()} - {""}))
def test_parts_of_a_package_form_no_circle(package: str) -> None:
    """Its rooms, and the modules that lie open beside them: no two import each other, none comes round."""
    graph: dict[str, set[str]] = {}
    for name, module in modules().items():
        if is_within(name, package) and name != package:
            within = {part_of(it, package) for it in module.imports if is_within(it, package)} - {package}
            graph.setdefault(part_of(name, package), set()).update(within - {part_of(name, package)})
    assert [" → ".join(circle) for circle in circles(graph)] == []


def test_packages_form_no_circle() -> None:
    graph: dict[str, set[str]] = {}
    for name, module in modules().items():
        top = name.partition(".")[0]
        others = {it.partition(".")[0] for it in module.imports if it in modules()} - {top}
        graph.setdefault(top, set()).update(others)
    assert [" → ".join(circle) for circle in circles(graph)] == []
