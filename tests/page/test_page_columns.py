from __future__ import annotations

import synthetic_matrix

from matrix.page.columns import by_column, columns
from matrix.page.payload import Payload
from matrix.page.table import Table


def rows(columns, count):
    """Read columns as the page's script does."""
    values = {name: values_of(column) for name, column in columns.items()}
    return [
        {
            name: values[name][column["rows"][row]]
            for name, column in columns.items()
            if column["rows"][row] >= 0
        }
        for row in range(count)
    ]


def values_of(column):
    if "values" in column:
        return column["values"]
    found = []
    for shape in column["shapes"]:
        parts = {name: values_of(held) for name, held in shape.items()}
        found += [dict(zip(parts, row)) for row in zip(*parts.values())]
    return found


def test_a_value_is_kept_once_and_rows_name_it_by_number():
    found = columns([{"a": "x"}, {"a": "y"}, {"a": "x"}])
    assert found == {"a": {"values": ["x", "y"], "rows": [0, 1, 0]}}


def test_what_a_row_is_without_is_not_what_is_empty():
    held = [{"a": None}, {}, {"a": ""}, {"a": []}]
    assert columns(held)["a"] == {"values": [None, "", []], "rows": [0, -1, 1, 2]}
    assert rows(columns(held), 4) == held


def test_values_that_are_equal_and_not_the_same_stay_apart():
    held = [{"a": 1}, {"a": True}, {"a": 1.0}, {"a": "1"}, {"a": [1]}, {"a": [True]}, {"a": None}]
    assert repr(rows(columns(held), len(held))) == repr(held)


def test_objects_with_the_same_names_are_kept_by_name():
    held = [{"a": {"x": number, "y": {"z": str(number)}}} for number in range(9)]
    found = columns(held)["a"]
    assert found["shapes"] == [
        {
            "x": {"values": [*range(9)]},
            "y": {"shapes": [{"z": {"values": [str(number) for number in range(9)]}}]},
        }
    ]
    assert rows({"a": found}, 9) == held


def test_objects_of_several_shapes_come_back_in_their_order():
    held = [{"a": {"x": number} if number < 30 else {"y": [], "x": {}}} for number in range(31)]
    held += [{"a": {"x": None, "z": number}} for number in range(20)]
    found = columns(held)
    assert len(found["a"]["shapes"]) == 3
    assert repr(rows(found, len(held))) == repr(held)


def test_objects_of_which_no_two_are_alike_stay_as_they_are():
    held = [{"a": {str(number): number}} for number in range(20)]
    assert columns(held)["a"]["values"] == [each["a"] for each in held]


def test_columns_stand_in_the_order_in_which_the_rows_have_them():
    assert list(columns([{"a": 1, "d": 1}, {"a": 1, "b": 1, "c": 1, "d": 1}])) == list("abcd")


def test_nothing_has_no_columns():
    assert columns([]) == {}


def test_a_block_read_back_is_the_details_as_they_were():
    matrix = synthetic_matrix.matrix()
    details = Payload(matrix, Table(matrix)).details(0)
    block = by_column(details)
    cells = list(details["cells"].values())
    checks = [check for cell in cells for check in cell["checks"]]
    assert rows(block["cells"], len(cells)) == [cell["cell"] for cell in cells]
    assert rows(block["records"], len(checks)) == [check["record"] for check in checks]
    told = [{**cell, "checks": len(cell["checks"])} for cell in cells]
    assert rows(block["ofCells"], len(cells)) == [without(each, "cell") for each in told]
    assert rows(block["ofChecks"], len(checks)) == [without(each, "record") for each in checks]
    assert (block["diagnoses"], block["codes"]) == (details["diagnoses"], details["codes"])


def without(item, name):
    return {key: value for key, value in item.items() if key != name}
