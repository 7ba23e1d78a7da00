"""State between Python and the wire; what comes back from a service is in the vectors."""

from __future__ import annotations

from collections import OrderedDict
from types import MappingProxyType
from typing import Any

import pytest

import tenure
from tenure.values import from_struct, to_struct


def round_trip(value: Any) -> Any:
    return from_struct(to_struct({"v": value}, "state"))["v"]


@pytest.mark.parametrize(
    "value", [0, 1, -1, 2**53 - 1, -(2**53) + 1, 0.5, 1e300, True, False, None, "", "ü", [], {}, [[], {}], {"a": {}}]
)
def test_values_keep_their_kind(value: Any) -> None:
    result = round_trip(value)
    assert result == value
    assert type(result) is type(value)


def test_a_float_without_a_fraction_comes_back_as_int() -> None:
    assert type(round_trip(2.0)) is int
    assert type(round_trip(float(2**53))) is float


def test_other_mappings_and_tuples_are_maps_and_lists() -> None:
    assert round_trip(OrderedDict(a=1)) == {"a": 1}
    assert round_trip(MappingProxyType({"a": (1, 2)})) == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("value", "path", "why"),
    [
        ({"a": [0, {"b": 2**53}]}, "state.v.a[1].b", "2^53-1"),
        ([float("nan")], "state.v[0]", "NaN"),
        ({"a": float("inf")}, "state.v.a", "infinity"),
        (b"bytes", "state.v", "bytes"),
        ({1, 2}, "state.v", "set"),
        ("\ud800", "state.v", "UTF-8"),
        ({1: 2}, "state.v", "int"),
        ({"\ud800": 2}, "state.v", "UTF-8"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_place(value: Any, path: str, why: str) -> None:
    with pytest.raises(tenure.InvalidValue) as raised:
        to_struct({"v": value}, "state")
    assert raised.value.path == path
    assert why in str(raised.value)
    assert isinstance(raised.value, ValueError)


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(tenure.InvalidValue, match="nested"):
        to_struct({"v": endless}, "state")
