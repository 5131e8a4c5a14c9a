import pytest

from hyrec.studies.report.pages import plain


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("no_pooling", "no_pooling"),
        ("0.6972 ± 0.0095", "0.6972 ± 0.0095"),
        ("1. first", "1\\. first"),
        ("- item", "\\- item"),
        ("# head", "\\# head"),
        ("*bold* `code` ~gone~", "\\*bold\\* \\`code\\` \\~gone\\~"),
        ("![x](y)", "!\\[x\\](y)"),
        ("two\nlines", "two lines"),
    ],
)
def test_markdown_shows_text_as_it_is(text: str, escaped: str) -> None:
    assert plain(text) == escaped
