"""Chinese first: every text that people read is an English msgid with its Chinese in the catalogue, and none is written into code."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.test import Client, override_settings
from django.utils import translation

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "locale/zh_Hans/LC_MESSAGES/django.po"
CHINESE = re.compile(r"[㐀-鿿]")
# What has to come out of a translation as it went in: placeholders of both styles, percent signs, tags.
FIXED = re.compile(r"%\(\w+\)[sd]|%%|\{\w*\}|<[^>]+>")
NO_SOURCE = {"tests", "migrations"}

# The names of the languages stand in their own language.
LANGUAGE_SWITCH = re.compile(r'<button[^>]*name="language"[^>]*>[^<]*</button>')
# Chinese in code by nature: content of contracts, vouchers, certificates and messages, capital numerals, patterns of names, units.
CHINESE_BY_NATURE = {
    "apps/backoffice/templatetags/backoffice.py": {"分"},
    "apps/common/money.py": None,
    "apps/contracts/domain.py": None,
    "apps/contracts/papers.py": None,
    "apps/customers/domain.py": None,
    "apps/disbursement/services/documents.py": None,
    "apps/documents/domain.py": {"合同专用章"},
    "apps/documents/templatetags/documents.py": {"人民币", "年", "月", "日"},
    "apps/messaging/services.py": {"车贷通"},
    "apps/portal/templatetags/portal.py": {"人民币"},
    "apps/postloan/services/settling.py": {"贷款结清证明"},
    "apps/products/selectors.py": {"款", "款 "},
    "apps/risk/domain/catalogue.py": {"分"},
    "apps/risk/domain/samples.py": {"样例"},
    "apps/risk/management/commands/decide.py": None,
    "carloan/settings.py": None,
}


@dataclass
class Entry:
    """One text of a catalogue; `translated` has one item for each plural form."""

    context: str = ""
    text: str = ""
    plural: str = ""
    translated: list[str] = field(default_factory=list)
    flags: str = ""


def read(path: Path) -> dict[tuple[str, str], Entry]:
    """Texts of a .po file by (context, msgid); the header left out, and the texts that nobody uses any more."""
    found = {}
    for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
        entry, parts, last = Entry(), {}, ""
        for line in block.splitlines():
            if line.startswith("#,"):
                entry.flags += line
            elif not line.startswith("#"):
                keyword, _space, quoted = line.partition(' "') if line[0] != '"' else ("", "", line[1:])
                last = keyword or last
                parts[last] = parts.get(last, "") + ast.literal_eval(f'"{quoted}')
        entry.context, entry.text, entry.plural = parts.get("msgctxt", ""), parts.get("msgid", ""), parts.get("msgid_plural", "")
        entry.translated = [value for name, value in parts.items() if name.startswith("msgstr")]
        if entry.text:
            found[entry.context, entry.text] = entry
    return found


def sources(suffix: str) -> Iterator[Path]:
    """Files of the project's own code and templates, tests and migrations left out."""
    for top in ("apps", "carloan", "templates"):
        for path in sorted((ROOT / top).rglob(f"*{suffix}")):
            if not NO_SOURCE & set(path.parts):
                yield path


@pytest.fixture(scope="module")
def catalogue() -> dict[tuple[str, str], Entry]:
    return read(CATALOGUE)


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Texts as `make messages` finds them in code and templates today, gathered in a copy."""
    copy = tmp_path_factory.mktemp("texts")
    for suffix in (".py", ".html", ".txt"):
        for path in sources(suffix):
            target = copy / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    (copy / "locale").mkdir()
    with pytest.MonkeyPatch.context() as patch, override_settings(LOCALE_PATHS=[copy / "locale"]):
        patch.chdir(copy)
        call_command("makemessages", locale=["zh_Hans"], no_wrap=True, no_location=True, verbosity=0)
    return set(read(copy / "locale/zh_Hans/LC_MESSAGES/django.po"))


def test_every_text_of_code_and_templates_is_in_the_catalogue(gathered, catalogue):
    missing = sorted(gathered - set(catalogue))
    assert not missing, "Run `make messages` and translate what is new in locale/."


def test_the_catalogue_has_no_text_that_nobody_uses(gathered, catalogue):
    assert not sorted(set(catalogue) - gathered), "Run `make messages`, then drop the lines that begin with #~."
    assert "#~" not in CATALOGUE.read_text(encoding="utf-8")


def test_nothing_is_empty_or_fuzzy(catalogue):
    assert not [entry.text for entry in catalogue.values() if not all(entry.translated) or not entry.translated]
    assert not [entry.text for entry in catalogue.values() if "fuzzy" in entry.flags]


def test_placeholders_come_out_as_they_went_in(catalogue):
    changed = {
        entry.text: text
        for entry in catalogue.values()
        for text in entry.translated
        if sorted(FIXED.findall(text)) != sorted(FIXED.findall(entry.plural or entry.text))
    }
    assert not changed


def test_the_catalogue_compiles(tmp_path):
    command = ["msgfmt", "--check-format", "--check-header", "-o", tmp_path / "django.mo", CATALOGUE]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_template_has_chinese_outside_the_catalogue():
    """Documents are Chinese by nature: they are what the law and the customer read."""
    written = []
    for path in sources(".html"):
        if path.is_relative_to(ROOT / "templates/documents"):
            continue
        text = re.sub(r"{#.*?#}|{% comment %}.*?{% endcomment %}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        if CHINESE.search(LANGUAGE_SWITCH.sub("", text)):
            written.append(str(path.relative_to(ROOT)))
    assert not written, "Write {% translate %} with an English text."


def _docstrings(tree: ast.Module) -> set[int]:
    return {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(getattr(node, "body", None), list)
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }


def test_no_code_has_chinese_that_people_read_on_a_page():
    """Chinese of documents and messages stays; data, demonstration and the sandbox are content, not pages."""
    written = []
    for path in sources(".py"):
        name = str(path.relative_to(ROOT))
        if {"data", "sandbox"} & set(path.parts) or "demo" in name or path.name == "sandbox.py":
            continue
        allowed = CHINESE_BY_NATURE.get(name, set())
        if allowed is None:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        said = _docstrings(tree)
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if CHINESE.search(text) and id(node) not in said and text not in allowed:
                written.append(f"{name}:{node.lineno} {text}")
    assert not written, "Write gettext with an English text, or add the file to CHINESE_BY_NATURE when it is content of a document."


def test_names_and_choices_of_models_are_english_in_english():
    """A label in Chinese under English never went through gettext."""
    written = []
    with translation.override("en"):
        for model in apps.get_models():
            if not model.__module__.startswith("apps."):
                continue
            labels = [model._meta.verbose_name, model._meta.verbose_name_plural]
            for column in model._meta.fields:
                labels += [column.verbose_name, column.help_text, *(label for _value, label in column.flatchoices)]
            written += [f"{model._meta.label}: {label}" for label in labels if CHINESE.search(str(label))]
    assert not written


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/login/", "/calculator/", "/verify/"])
def test_public_pages_speak_the_language_that_was_asked_for(path):
    compiled = CATALOGUE.with_suffix(".mo")
    if not compiled.exists():
        pytest.fail("The catalogue is not compiled: run scripts/setup.sh.")
    chinese = Client(headers={"Accept-Language": "zh-CN,zh;q=0.9"}).get(path)
    english = Client(headers={"Accept-Language": "en"}).get(path)
    assert (chinese.status_code, english.status_code) == (200, 200)
    assert (chinese.headers["Content-Language"], english.headers["Content-Language"]) == ("zh-hans", "en")
    words = _words(chinese.content.decode())
    assert "车贷通" in words
    assert not re.search(r"\b(Sign in|Calculator|Verify|Monthly|Instalments)\b", words)
    words = _words(english.content.decode())
    assert "Carloan" in words
    assert not CHINESE.search(words)


def _words(page: str) -> str:
    """What stands on the page, without scripts, tags and the language switch."""
    page = re.sub(r"(?s)<(script|style)\b.*?</\1>", "", LANGUAGE_SWITCH.sub("", page))
    return re.sub(r"<[^>]+>", " ", page)
