"""The oracle itself: it tells every way in which a command can go wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from commands import draft_of
from oracle import OUTPUT, Oracle, Outcome

WAYS = {
    "pass": Outcome.OK,
    "print('warning: w', file=sys.stderr)": Outcome.OK,
    "print('not ready'); sys.exit(1)": Outcome.OK,
    "print('error: e', file=sys.stderr); sys.exit(1)": Outcome.REFUSED,
    "sys.exit(1)": Outcome.UNCLEAR,
    "print('error: e\\nand more', file=sys.stderr); sys.exit(1)": Outcome.UNCLEAR,
    "print('noise', file=sys.stderr)": Outcome.UNCLEAR,
    "print('error: this is a mistake of onnxprune\\'s', file=sys.stderr); sys.exit(1)": Outcome.INTERNAL,
    "1 / 0": Outcome.TRACEBACK,
    "os.abort()": Outcome.CRASH,
    "import ctypes; ctypes.string_at(0)": Outcome.CRASH,
    "while True: pass": Outcome.HANG,
    "bytearray(10**10)": Outcome.MEMORY,
    "open('in/model.onnx', 'ab').write(b'0')": Outcome.WROTE,
    "open('beside', 'w')": Outcome.WROTE,
    "os.mkdir('../elsewhere')": Outcome.WROTE,
    "os.remove('in/model.onnx')": Outcome.WROTE,
    "open('out/pruned.onnx', 'w'); open('tmp/x', 'w'); os.remove('tmp/x')": Outcome.OK,
    "open('in/../secret')": Outcome.READ,
}


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    running = Oracle(tmp_path_factory.mktemp("oracle"))
    yield running
    running.close()


@pytest.mark.parametrize(("code", "outcome"), WAYS.items(), ids=WAYS.keys())
def test_every_way_to_end_is_told_from_the_others(code: str, outcome: Outcome, oracle: Oracle) -> None:
    ending = oracle.run(draft_of("plain"), ["-c", code], seconds=1)
    assert ending.outcome is outcome, ending


@pytest.mark.parametrize(("content", "outcome"), [(b"", Outcome.BROKEN), (None, Outcome.OK)], ids=["broken", "sound"])
def test_an_output_that_does_not_load_is_found(content: bytes | None, outcome: Outcome, oracle: Oracle) -> None:
    draft = draft_of("plain")
    code = f"open('{OUTPUT}', 'wb').write({draft.content() if content is None else content!r})"
    assert oracle.run(draft, ["-c", code, OUTPUT]).outcome is outcome


def test_a_link_out_of_the_folder_is_no_way_to_the_secret(oracle: Oracle) -> None:
    draft = draft_of("plain")
    draft.links["link"] = "../secret"
    assert oracle.run(draft, ["-c", "open('in/link')"]).outcome is Outcome.READ
