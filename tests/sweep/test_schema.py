"""The JSON schema says what the reader says, so that an editor helps and does not mislead."""

import json
from typing import Any

import pytest

from models import registry
from sweep.schema import file_schema
from sweep.sweep_file import KEYS, RANGES, read


def parameters(model: str, table: str) -> dict[str, Any]:
    """Give the properties of [fixed] or [axes] of a model."""
    (one,) = [o for o in file_schema()["allOf"]
              if o["if"]["properties"]["model"]["const"] == model]  # fmt: skip
    found: dict[str, Any] = one["then"]["properties"][table]["properties"]
    return found


def test_the_schema_is_plain_json() -> None:
    assert json.loads(json.dumps(file_schema())) == file_schema()


def test_the_top_level_has_just_the_keys_of_a_sweep_file() -> None:
    schema = file_schema()

    assert set(schema["properties"]) == set(KEYS)
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["modesweep", "name", "model"]


@pytest.mark.parametrize("model", registry.names())
def test_every_parameter_is_there_with_its_meaning(model: str) -> None:
    fields = registry.get(model).parameters.model_fields

    assert set(parameters(model, "fixed")) == set(fields)
    assert all(p.get("description") for p in parameters(model, "fixed").values())
    assert set(parameters(model, "axes")) == set(fields) - set(registry.get(model).fixed_only)


@pytest.mark.parametrize("model", registry.names())
def test_an_axis_is_a_list_of_values_or_a_range(model: str) -> None:
    for name, axis in parameters(model, "axes").items():
        listed, ranged = axis["anyOf"]
        assert listed["items"] == {
            k: v for k, v in parameters(model, "fixed")[name].items() if k != "description"
        } | {k: v for k, v in listed["items"].items() if k == "description"}
        assert set(ranged["properties"]) == set(RANGES)


def test_bounds_of_the_schema_are_those_of_the_reader() -> None:
    layers = parameters("slab", "fixed")["layers"]["anyOf"][0]
    content = {"modesweep": 1, "name": "edge", "model": "slab", "outputs": ["n_modes"]}

    for edge in (layers["minimum"], layers["maximum"]):
        assert read({**content, "fixed": {"layers": edge}}).fixed["layers"] == edge
    for beyond in (layers["minimum"] - 1, layers["maximum"] + 1):
        with pytest.raises(ValueError, match=r"fixed\.layers"):
            read({**content, "fixed": {"layers": beyond}})


def test_one_model_alone_can_be_asked_for() -> None:
    assert file_schema(registry.get("chain"))["properties"]["model"] == {"enum": ["chain"]}
