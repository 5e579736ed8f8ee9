"""Models that once crashed, hung or confused a command: each is refused with a line that says why, or works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from commands import COMMANDS
from drafts import Draft
from oracle import RIGHT, Oracle, Outcome
from seed_models import CORPUS

from onnxprune.errors import ModelError
from onnxprune.model import Model

REFUSED = {
    "a_function_in_place_of_an_operator": "an operator of onnx has the same name",
    "a_function_that_calls_itself": "'again': it calls itself",
    "a_function_twice": "there is another of the same domain and name",
    "a_long_chain_of_functions": "more than 100 deep",
    "attribute_of_another_type": "'group'.*type INT",
    "attribute_that_refers_to_nothing": "'axis': it refers to an attribute of a function",
    "constant_without_an_output": "Constant at place 0: it has 0 outputs",
    "cycle": "MatMul 'a': it reads 'b', which no node before it gives",
    "fill_from_outside": "ConstantOfShape 'z'.*lie outside",
    "functions_that_call_each_other": "it calls itself, perhaps through others",
    "functions_that_double": "more than 100,000 nodes",
    "group_of_zero": "'group': it cannot be 0",
    "list_that_doubles": "Concat 'l18': its list of 262,144 numbers",
    "name_of_20000_characters": "has 20,000 characters",
    "name_of_two_lines": "control characters",
    "name_that_is_not_utf8": "is no UTF-8 text",
    "nodes_out_of_order": "Relu 'y': it reads 'a', which no node before it gives",
    "opset_of_2_to_the_62": "no version 4611686018427387904",
    "perm_that_is_none": "'perm': .5, 6. is no order of all axes",
    "sizes_that_overflow": "'w': no tensor can have the shape",
    "tensor_in_segments": "'w': it is a segment",
    "thousands_of_axes": "'w': it has 3,002 axes",
    "two_weights_of_one_name": "two tensors of one graph are called 'w'",
    "values_cut_short": "'w': its shape .* takes 96 bytes, and it has 95",
}
"""Model -> what is said of it where it is read. The others are read, and a command may or may not refuse them."""

MODELS = {path.stem: path for path in sorted((CORPUS / "once_wrong").glob("*.onnx"))}


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    running = Oracle(tmp_path_factory.mktemp("once_wrong"))
    yield running
    running.close()


@pytest.mark.parametrize(("name", "said"), REFUSED.items())
def test_it_is_refused_when_it_is_read(name: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        Model.load(MODELS[name])
    line = str(caught.value)
    assert line.isprintable() and len(line) < 500


@pytest.mark.parametrize("name", sorted(MODELS.keys() - REFUSED.keys()))
def test_every_command_on_it_ends_in_one_line_or_a_result(name: str, oracle: Oracle) -> None:
    draft = Draft(onnx.load(MODELS[name], load_external_data=False))
    draft.files["seed.onnx"] = draft.content()
    for command in ("inspect", "check --target tensorrt", "diff", "prune -c none", "prune -g element", "prune -g 2:4"):
        ending = oracle.run(draft, COMMANDS[command])
        assert ending.outcome in RIGHT, f"{command}: {ending.outcome.value}\n{ending.said[-1500:]}"


@pytest.mark.parametrize("name", ["sum_and_norm_with_a_nameless_bias", "output_of_one_number", "infinite_weight"])
def test_it_is_pruned(name: str, oracle: Oracle) -> None:
    draft = Draft(onnx.load(MODELS[name]))
    ending = oracle.run(draft, COMMANDS["prune -g element"])
    assert ending.outcome is Outcome.OK, ending.said


def test_models_of_the_corpus_are_few_kilobytes_together() -> None:
    assert sum(path.stat().st_size for path in Path(CORPUS).rglob("*.onnx")) < 300_000
