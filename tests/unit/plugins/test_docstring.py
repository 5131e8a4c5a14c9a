from hyrec.docstring import Docstring


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
    doc = Docstring.of(Documented)
    assert doc.summary == "Do one thing on two lines."
    assert doc.description.endswith("More about it.\n\n    indented")
    assert doc.options == {"first": "What it is, on two lines.", "second": "Another."}
    assert doc.sections["Shape"] == "x: ``(B, D)``."
    assert set(doc.sections) == {"Args", "Shape", "Raises"}


def test_a_class_without_a_docstring_has_empty_parts():
    doc = Docstring.of(type("Silent", (), {}))
    assert (doc.summary, doc.description, doc.options, doc.sections) == ("", "", {}, {})
