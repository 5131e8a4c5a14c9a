"""YAML that Python cannot turn into a value is told with its line, never raised from within the reader."""

from __future__ import annotations

import pytest
import yaml

from hyrec.files import RefusedYAMLError, plain_value, read_yaml, yaml_problem


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("2023-02-30", "'2023-02-30' is no timestamp"),
        ("!!int x", "'x' is no int"),
        ("!!float x", "'x' is no float"),
        ('!!timestamp "12"', "'12' is no timestamp"),
        ("9" * 5000, "is no int"),
        ("9" * 400, "is larger than any float"),
    ],
)
def test_a_value_that_is_not_what_its_form_says_is_told_with_its_line(value: str, told: str) -> None:
    with pytest.raises(yaml.YAMLError) as raised:
        read_yaml(f"a: 1\nb: {value}\n")
    assert yaml_problem(raised.value).startswith(" in line 2: ")
    assert told in yaml_problem(raised.value)


def test_an_integer_that_a_float_can_hold_is_read() -> None:
    assert read_yaml(f"a: {10**300}") == {"a": 10**300}


def test_on_the_command_line_a_day_that_does_not_exist_stays_text() -> None:
    assert plain_value("2023-02-30") == "2023-02-30"


def test_on_the_command_line_a_number_that_no_float_can_hold_is_refused() -> None:
    with pytest.raises(RefusedYAMLError, match="larger than any float"):
        plain_value("9" * 400)
