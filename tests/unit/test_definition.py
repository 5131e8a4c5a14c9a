from hyrec.definition import ClassDocstring, read_docstring


class Documented:
    """Do one thing
    on two lines.

    More about it.

        indented

    Args:
        first: What it is,
            on two lines.
        second: Another.

    Shape:
        x: ``(B, D)``.

    Raises:
        ValueError: When it breaks.
    """


def test_a_docstring_is_read_in_its_parts():
    doc = read_docstring(Documented)
    assert doc.summary == "Do one thing on two lines."
    assert doc.description.endswith("More about it.\n\n    indented")
    assert doc.options == {"first": "What it is, on two lines.", "second": "Another."}
    assert doc.sections == {"Shape": "x: ``(B, D)``.", "Raises": "ValueError: When it breaks."}


def test_a_class_without_a_docstring_has_empty_parts():
    assert read_docstring(type("Silent", (), {})) == ClassDocstring("", {}, {})


def test_a_docstring_whose_options_cannot_be_read_is_all_description():
    doc = read_docstring(type("Odd", (), {"__doc__": "Do it.\n\nArgs:\n    no colon here\n"}))
    assert doc.summary == "Do it."
    assert doc.options == {}
