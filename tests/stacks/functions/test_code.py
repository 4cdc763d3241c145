"""What a function's code consists of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from stacks.functions import code
from stacks.functions.code import HANDLERS, FunctionCode

ROOMS = sorted(path.parent.name for path in HANDLERS.glob("*/__init__.py"))

NEW_MODULES = ("gateway", "iot_bridge", "services", "test_run", "watch")
"""Names that a rule about what to leave out, or about whose module it is, could take for something else."""


@pytest.fixture
def copied_handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the handlers, which the code of functions is taken from."""
    copied = shutil.copytree(HANDLERS, tmp_path / HANDLERS.name)
    monkeypatch.setattr(code, "HANDLERS", copied)
    return copied


@pytest.mark.parametrize("module", NEW_MODULES)
@pytest.mark.parametrize("room", ROOMS)
def test_new_module_of_a_room_is_in_its_functions_code_whatever_its_name_is(
    copied_handlers: Path, tmp_path: Path, room: str, module: str
) -> None:
    (copied_handlers / room / f"{module}.py").write_text("ANSWER = 42\n")
    FunctionCode(module=f"{room}.{module}").write(tmp_path / "code")
    assert (tmp_path / "code" / "handlers" / room / f"{module}.py").read_text() == "ANSWER = 42\n"


@pytest.mark.parametrize("module", NEW_MODULES)
def test_new_module_that_rooms_share_is_in_the_code_of_each(copied_handlers: Path, module: str) -> None:
    (copied_handlers / f"{module}.py").touch()
    for room in ROOMS:
        assert f"handlers/{module}.py" in dict(FunctionCode(module=f"{room}.any").files())


@pytest.mark.parametrize("room", ROOMS)
def test_code_holds_no_module_of_another_room(room: str) -> None:
    names = [Path(name).parts for name, _ in FunctionCode(module=f"{room}.any").files()]
    assert {parts[1] for parts in names if len(parts) > 2} == {room}


def test_data_lies_beside_the_module_that_reads_it(tmp_path: Path) -> None:
    FunctionCode(module="provisioning.hook", data={"known.json": {"gate-core": "cores"}}).write(tmp_path)
    written = tmp_path / "handlers" / "provisioning" / "known.json"
    assert json.loads(written.read_text()) == {"gate-core": "cores"}
