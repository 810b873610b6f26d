"""A test file is where the module that it tests is, and begins with that module's name."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = sorted(path for app in ("mailer", "subscribers") for path in (ROOT / "tests" / app).rglob("test_*.py"))
# These look at whole emails and pages, in browsers and validators, and so at many modules at once.
OF_MANY_MODULES = {ROOT / "tests" / "mailer" / "quality"}


def names_in(package: Path) -> set[str]:
    """Return the names of the package, its modules and the packages directly below it."""
    modules = {path.stem for path in package.glob("*.py")}
    return modules | {path.parent.name for path in package.glob("*/__init__.py")} | {package.name}


@pytest.mark.parametrize("test", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_test_file_begins_with_the_name_of_what_it_tests(test: Path):
    if test.parent in OF_MANY_MODULES:
        return
    package = ROOT / test.parent.relative_to(ROOT / "tests")
    assert package.is_dir(), f"{test} mirrors no package"
    named = test.stem.removeprefix("test_")
    # A provider's folder also holds tests of a module above it, run with that provider.
    possible = names_in(package) | (names_in(package.parent) if package.parent != ROOT else set())
    assert any(named == name or named.startswith(f"{name}_") for name in possible), (
        f"{test.relative_to(ROOT)}: call it test_<module>[_<behaviour>].py, by a module of {package.relative_to(ROOT)}"
    )


def test_the_rule_has_files_to_look_at():
    assert len(TESTS) > 100
