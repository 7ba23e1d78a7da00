"""State between Python's own values and `google.protobuf.Struct`.

Written for speed: one pass, no JSON in between. Integers are exact within plus or minus 2^53-1; whatever a
state cannot hold without loss is refused before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from .errors import InvalidValue

LARGEST_INTEGER = 2**53 - 1
"""The largest integer that every language holds exactly."""

_DEEPEST = 100
_PLAIN_LIST = (list, tuple)


def to_struct(state: Mapping[str, Any], root: str) -> Struct:
    """A mapping as a Struct. `root` is what errors call it."""
    struct = Struct()
    fill_struct(struct, state, root)
    return struct


def fill_struct(struct: Struct, state: Mapping[str, Any], root: str) -> None:
    """Puts a mapping into a Struct. `root` is what errors call it."""
    try:
        if not isinstance(state, Mapping):
            raise InvalidValue(f"must be a mapping, not {type(state).__name__}")
        _fill_map(struct, state, 1)
    except InvalidValue as error:
        raise error.at(root) from None


def fill_list(target: ListValue, values: Iterable[Any], root: str) -> None:
    """Puts values into a ListValue. `root` is what errors call it."""
    try:
        if not isinstance(values, _PLAIN_LIST):
            raise InvalidValue(f"must be a list, not {type(values).__name__}")
        _fill_list(target, values, 1)
    except InvalidValue as error:
        raise error.at(root) from None


def _fill_map(struct: Struct, items: Mapping[str, Any], depth: int) -> None:
    if depth > _DEEPEST:
        raise InvalidValue("is nested too deeply, or holds itself")
    # An empty map has to be marked as present, or a nested one would have no kind.
    struct.SetInParent()
    fields = struct.fields
    for key, value in items.items():
        if not isinstance(key, str):
            raise InvalidValue(f"has a key that is not a text but {type(key).__name__}")
        try:
            _fill_value(fields[key], value, depth)
        except UnicodeEncodeError:
            raise InvalidValue("has a key that cannot be encoded as UTF-8") from None
        except InvalidValue as error:
            raise error.within(f".{key}") from None


def _fill_list(target: ListValue, items: Iterable[Any], depth: int) -> None:
    if depth > _DEEPEST:
        raise InvalidValue("is nested too deeply, or holds itself")
    target.SetInParent()
    add = target.values.add
    for index, value in enumerate(items):
        try:
            _fill_value(add(), value, depth)
        except InvalidValue as error:
            raise error.within(f"[{index}]") from None


def _fill_value(target: Value, value: Any, depth: int) -> None:
    if isinstance(value, str):
        try:
            target.string_value = value
        except UnicodeEncodeError:
            raise InvalidValue("is a text that cannot be encoded as UTF-8") from None
    elif value is None:
        target.null_value = 0  # type: ignore[assignment]
    elif value is True or value is False:
        target.bool_value = value
    elif isinstance(value, int):
        if not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            raise InvalidValue(
                "is an integer beyond plus or minus 2^53-1, which not every language holds exactly: "
                "store it as a text"
            )
        target.number_value = value
    elif isinstance(value, float):
        if not isfinite(value):
            raise InvalidValue("is NaN or an infinity, which a state cannot hold")
        target.number_value = value
    elif isinstance(value, Mapping):
        _fill_map(target.struct_value, value, depth + 1)
    elif isinstance(value, _PLAIN_LIST):
        _fill_list(target.list_value, value, depth + 1)
    else:
        raise InvalidValue(f"is of the type {type(value).__name__}, which a state cannot hold")


def from_struct(struct: Struct) -> dict[str, Any]:
    """A Struct as a dict. Numbers without a fraction are int."""
    # Most values are texts, and asking for one costs half of asking for the kind. `items` would cost a fifth more: it
    # is Python's own, over the same lookups.
    fields = struct.fields
    return {key: (value := fields[key]).string_value or _from_value(value) for key in fields}


def _from_value(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        number = value.number_value
        if number.is_integer() and -LARGEST_INTEGER <= number <= LARGEST_INTEGER:
            return int(number)
        return number
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [item.string_value or _from_value(item) for item in value.list_value.values]
    return None
