"""The built site: strict, complete where its pages come from the program, and whole without another host."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from page_commands import DOCS

from hyrec.cli.key_reference import keys_of
from hyrec.config.shipped import shipped_configs
from hyrec.data.logs.recipe import Recipe
from hyrec.plugins.catalogue import Catalogue
from hyrec.schema import Schema

mkdocs_build = pytest.importorskip("mkdocs.commands.build", reason="the site is built with hyrec[docs]")
FOREIGN = re.compile(
    r"<(?:script|img|iframe)[^>]* src=.?https?:|<link[^>]* href=.?https?:[^>]*stylesheet|@import|url\(https?:"
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(DOCS.parent / "mkdocs.yml"), site_dir=str(folder), strict=True)
    mkdocs_build.build(config)
    return folder


def read(page: Path) -> str:
    return html.unescape(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("page", "root", "prefix"), [("recipe", Recipe, ""), ("schema", Schema, "schema")])
def test_every_key_has_a_row(site: Path, page: str, root: type, prefix: str) -> None:
    text = read(site / f"{page}.html")
    missing = [key.written for key in keys_of(root, prefix, prefix) if f"<code>{key.field.name}</code>" not in text]
    assert not missing


def test_every_class_of_the_catalogue_has_a_section(site: Path) -> None:
    text = read(site / "components.html")
    names = [entry.name for entry in Catalogue.load().of_package("hyrec")]
    assert names
    assert [name for name in names if f'id="{name.lower()}"' not in text] == []


def test_every_config_has_a_row(site: Path) -> None:
    text = read(site / "configs.html")
    names = [name.removeprefix("pkg:hyrec/") for name in shipped_configs()]
    assert [name for name in names if f"<code>{name}</code>" not in text] == []


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(pages) > 10
    assert [str(page) for page in pages if FOREIGN.search(page.read_text(encoding="utf-8"))] == []


def test_nothing_is_left_to_be_filled_in(site: Path) -> None:
    assert [page.name for page in site.glob("*.html") if "generated:" in page.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "configs/README.md", "plugins/README.md", "benchmarks/README.md"]
)
def test_links_of_pages_beside_the_site_lead_to_files(page: str) -> None:
    file = DOCS.parent / page
    targets = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", file.read_text(encoding="utf-8"))
    assert [target for target in targets if not (file.parent / target).exists()] == []
