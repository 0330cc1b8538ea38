"""The house's shape, held by tests: layers, published modules, file sizes, one place for each thing."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
CONTEXTS = sorted(path.name for path in (ROOT / "apps").iterdir() if (path / "__init__.py").exists())
PUBLISHED = {"services", "selectors", "events", "domain", "gateways"}
# The kernel is everyone's; audit checks and business-day steps are registered with their owners by name.
PUBLISHED_MORE = {"ledger": {"audit"}, "organisations": {"business_day", "forms"}, "documents": {"qr", "pki"}}
EDGES = {"portal", "backoffice", "integrations"}
HARD_LIMIT_LINES = 600
HARD_LIMIT_FUNCTION_LINES = 70


def source_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split() if "/migrations/" not in name and (ROOT / name).exists()]


def reaches_inside(importer: str, imported: str) -> bool:
    """Whether a module of one context imports a module of another that is not published."""
    _, context, *_ = importer.split(".")
    parts = imported.split(".")
    if len(parts) < 2 or parts[0] != "apps" or parts[1] in {context, "common"}:
        return False
    return len(parts) == 2 or parts[2] not in PUBLISHED | PUBLISHED_MORE.get(parts[1], set())


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("apps", cache_dir=None)


def product_modules(graph: grimp.ImportGraph) -> list[str]:
    return [name for name in sorted(graph.modules) if name.count(".") >= 1 and ".tests" not in name and ".migrations" not in name]


def test_contexts_reach_each_other_only_through_published_modules(graph):
    offenders = [
        f"{module} → {imported}"
        for module in product_modules(graph)
        for imported in graph.find_modules_directly_imported_by(module)
        if reaches_inside(module, imported)
    ]
    assert offenders == []


def test_a_planted_reach_inside_is_seen():
    assert reaches_inside("apps.loans.services", "apps.ledger.models")
    assert reaches_inside("apps.portal.views", "apps.applications")
    assert not reaches_inside("apps.loans.services", "apps.ledger.services")
    assert not reaches_inside("apps.loans.services", "apps.loans.models")
    assert not reaches_inside("apps.loans.services", "apps.common.models")


def test_import_contracts_hold_and_see_planted_violations(tmp_path):
    """The contracts of pyproject.toml are run on a copy of the tree with one violation of each kind planted."""
    planted = {
        "apps/ledger/planted.py": "from apps.loans import services\n",
        "apps/customers/planted.py": "from apps.dealers import models\n",
        "apps/flows/domain.py": "import django\n",
        "apps/risk/planted.py": "import httpx\n",
        "apps/common/planted.py": "from carloan import settings\n",
    }
    for path in source_files():
        if path.parts[len(ROOT.parts)] in {"apps", "carloan"}:
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())

    def lint() -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    clean = lint()
    assert clean.returncode == 0, clean.stdout
    for name, text in planted.items():
        path = tmp_path / name
        before = path.read_text() if path.exists() else None
        path.write_text((before or "") + text)
        broken = lint()
        assert broken.returncode != 0, name
        assert "BROKEN" in broken.stdout
        path.write_text(before) if before is not None else path.unlink()


def test_every_context_is_installed_and_in_its_place(settings):
    assert sorted(name.removeprefix("apps.") for name in settings.CONTEXTS) == CONTEXTS


def test_files_and_functions_stay_small():
    long_files = [
        f"{path.relative_to(ROOT)}: {lines}" for path in source_files() if (lines := len(path.read_text().splitlines())) > HARD_LIMIT_LINES
    ]
    long_functions = []
    for path in source_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno + 1 > HARD_LIMIT_FUNCTION_LINES:
                long_functions.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert (long_files, long_functions) == ([], [])


FLOAT_NEAR_MONEY = re.compile(r"\bfloat\(|\bFloatField\b")
MONEY_CONTEXTS = ("ledger", "disbursement", "reconciliation", "postloan", "contracts")


def test_no_float_near_money():
    offenders = [
        str(path.relative_to(ROOT))
        for path in source_files()
        if path.relative_to(ROOT).parts[:1] == ("apps",)
        and path.relative_to(ROOT).parts[1] in MONEY_CONTEXTS
        and "tests" not in path.parts
        and FLOAT_NEAR_MONEY.search(path.read_text())
    ]
    assert offenders == []


def test_business_rules_do_not_read_the_wall_clock():
    """Services and domain get `now` or `as_of`; only edges and the clock itself ask what time it is."""
    pattern = re.compile(r"datetime\.now\(|date\.today\(|timezone\.now\(|clock\.now\(")
    offenders = [
        str(path.relative_to(ROOT))
        for path in source_files()
        if "tests" not in path.parts
        and (path.stem in {"services", "domain", "selectors", "handlers", "eod"} or path.parent.name in {"services", "domain"})
        and pattern.search(path.read_text())
    ]
    assert offenders == []
