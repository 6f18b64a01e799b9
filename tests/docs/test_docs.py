"""The documentation says what is true of the code beside it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer.main

import evsim
from evsim.spec import schema
from evsim.spec.parse import parse_text
from evsim_cli.main import app

FIELDS = sorted(
    {
        field.alias or name
        for section in vars(schema).values()
        if isinstance(section, type) and issubclass(section, schema.Section)
        for name, field in section.model_fields.items()
    }
)
LINK = re.compile(r"\]\((?!https?://)([^)#]+)\)")


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def test_readme_runs_the_main_job_and_the_tests(root: Path) -> None:
    install, test = (block.strip() for block in blocks(root / "README.md", "bash"))
    assert install.endswith("evsim run networks/conv_ep.yaml")
    assert test.endswith("pytest")
    assert test in (root / ".ci" / "run").read_text().splitlines()


def test_readme_example_is_a_network(root: Path) -> None:
    (example,) = blocks(root / "README.md", "yaml")
    network = parse_text(example)
    assert network.populations["cells"].shape == (100,)


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_documented(root: Path, field: str) -> None:
    assert re.search(rf"`{field}\b", (root / "docs" / "network-file.md").read_text())


def test_every_link_leads_to_a_file(root: Path) -> None:
    pages = [root / "README.md", root / "recordings" / "README.md", *(root / "docs").glob("*.md")]
    links = [(page, link) for page in pages for link in LINK.findall(page.read_text())]
    assert links
    assert [link for page, link in links if not (page.parent / link).exists()] == []


def test_commands_that_pages_show_exist(root: Path) -> None:
    click = typer.main.get_command(app)
    pages = [root / "README.md", *(root / "docs").glob("*.md")]
    shown = {
        word
        for page in pages
        for word in re.findall(
            r"(?:`|^    |/bin/)evsim ([a-z][a-z0-9-]*)", page.read_text(), re.MULTILINE
        )
    }
    assert {"run", "check", "data"} <= shown
    assert shown <= set(click.commands)  # type: ignore[attr-defined]
    assert set(click.commands) <= shown  # type: ignore[attr-defined]


def test_one_version_everywhere(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    citation = (root / "CITATION.cff").read_text()
    assert project["version"] == evsim.__version__
    assert f"\nversion: {evsim.__version__}\n" in citation
    assert f"## {evsim.__version__}" in (root / "CHANGELOG.md").read_text()


def test_every_package_is_installed(root: Path) -> None:
    setuptools = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {file.parent for file in (root / "evsim").rglob("*.py")}
    packages = {".".join(folder.relative_to(root).parts) for folder in folders}
    assert set(setuptools["packages"]) == packages | {"evsim_cli"}
    assert all((folder / "__init__.py").is_file() for folder in folders)


def test_ci_stops_at_the_first_failure_and_runs_every_check(root: Path) -> None:
    script = root / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    lines = script.read_text().splitlines()
    assert "set -euo pipefail" in lines
    checks = ("ruff check .", "ruff format --check .", "mypy", "lint-imports")
    assert {f".venv/bin/{check}" for check in checks} <= set(lines)
