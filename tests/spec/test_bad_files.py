"""The gallery: each file holds one mistake and says where it is and what users read."""

import re
from pathlib import Path

import pytest

from evsim.errors import SpecError
from evsim.spec.parse import parse

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))
EXPECTED = re.compile(r"# expect: (\d+):(\d+) (.*)\n(?:# hint: (.*)\n)?")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_fault_has_its_place_and_hint(path):
    text = path.read_text(encoding="utf-8")
    line, column, message, hint = EXPECTED.match(text).groups()
    with pytest.raises(SpecError) as caught:
        parse(path)
    (fault,) = caught.value.faults
    assert fault.message.startswith(message)
    assert (fault.mark.line, fault.mark.column) == (int(line), int(column))
    assert fault.excerpt == text.split("\n")[int(line) - 1]
    assert (hint or "") in fault.hint


def test_the_gallery_is_not_empty_and_its_base_is_good():
    assert len(BAD) > 60
    assert parse(Path(__file__).parent / "small.yaml").name == "small"
