"""Lists, structs and maps of Arrow: what is inside, by dotted names."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types


def is_list(kind: pa.DataType) -> bool:
    """Whether the type is one of the list types."""
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind) or is_view(kind))


def is_view(kind: pa.DataType) -> bool:
    """Whether the type is a list whose entries may lie in any order."""
    return bool(types.is_list_view(kind) or types.is_large_list_view(kind))


def relist(array: pa.Array, values: pa.Array) -> pa.Array:
    """Return a list array (or a map, as lists) with other values in place of its own."""
    kind = array.type
    if types.is_fixed_size_list(kind):
        made, buffers = pa.list_(values.type, kind.list_size), 1
    else:
        made, buffers = (pa.large_list if types.is_large_list(kind) else pa.list_)(values.type), 2
    return pa.Array.from_buffers(made, len(array), array.buffers()[:buffers], offset=array.offset, children=[values])


def depth_of(kind: pa.DataType) -> tuple[int, pa.DataType]:
    """Return the levels of lists of a type, and the type inside."""
    depth = 0
    while is_list(kind):
        depth, kind = depth + 1, kind.value_type
    return depth, kind


def leaves_of(kind: pa.DataType) -> list[tuple[str, ...]]:
    """Return the fields that lead to each leaf of a type; those of a map, which are read together, as the map."""
    if isinstance(kind, pa.BaseExtensionType):
        return leaves_of(kind.storage_type)
    if types.is_map(kind):
        return [()] * (len(leaves_of(kind.key_type)) + len(leaves_of(kind.item_type)))
    if is_list(kind):
        return leaves_of(kind.value_type)
    if types.is_struct(kind):
        return [(field.name, *path) for field in kind for path in leaves_of(field.type)]
    return [()]


def _children(kind: pa.DataType) -> list[tuple[str, pa.DataType]]:
    if types.is_map(kind):
        return [("key", kind.key_type), ("value", kind.item_type)]
    return [(field.name, field.type) for field in kind] if types.is_struct(kind) else []


def steps_to(kind: pa.DataType, rest: str) -> tuple[str, ...] | None:
    """Return the fields that the rest of a dotted name stands for; None when there are none."""
    while is_list(kind):
        kind = kind.value_type
    if types.is_null(kind):
        return ()
    for name, inner in _children(kind):
        if rest == name:
            return (name,)
        path = steps_to(inner, rest[len(name) + 1 :]) if rest.startswith(f"{name}.") else None
        if path is not None:
            return (name, *path)
    return None


def field_inside(fields: pa.Schema, column: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the column that a dotted name begins with and the fields that follow, None where there are none."""
    for field in fields:
        if column.startswith(f"{field.name}."):
            steps = steps_to(field.type, column[len(field.name) + 1 :])
            if steps is not None:
                return field.name, steps
    return None


def type_inside(kind: pa.DataType, path: tuple[str, ...]) -> pa.DataType:
    """Return the type that a path leads to, in the lists that it leads through."""
    return follow(pa.array([], stored_type(kind)), path).type if path else stored_type(kind)


def stored_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that values of extension types are stored as, in whatever they are nested."""
    if isinstance(kind, pa.BaseExtensionType):
        return stored_type(kind.storage_type)
    if types.is_struct(kind):
        return pa.struct([(field.name, stored_type(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(stored_type(kind.key_type), stored_type(kind.item_type))
    if is_list(kind) and (value := stored_type(kind.value_type)) != kind.value_type:
        return pa.list_(value)
    return kind


def follow(array: pa.Array, path: tuple[str, ...]) -> pa.Array:
    """Return what a path leads to, in the lists that it leads through."""
    if not path or types.is_null(array.type):
        return array
    if types.is_map(array.type):
        side = array.keys if path[0] == "key" else array.items
        return relist(array, follow(side, path[1:]))
    if is_view(array.type):
        array = array.cast(pa.large_list(array.type.value_type))
    if is_list(array.type):
        return relist(array, follow(array.values, path))
    names = [field.name for field in array.type]
    return follow(pc.struct_field(array, [names.index(path[0])]), path[1:])
