import gc
import os
import re
import subprocess
import sys

import pytest
from django.template import engines

from apps.documents import qr, rendering, services
from apps.documents.tests import factories


def tool(*command: str, content: bytes, tmp_path) -> str:
    path = tmp_path / "paper.pdf"
    path.write_bytes(content)
    done = subprocess.run([*command, str(path), *(["-"] if command[0] == "pdftotext" else [])], capture_output=True, text=True, check=True)
    return done.stdout


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_every_font_of_a_contract_is_embedded(tmp_path):
    content = services.render(template="loan_contract.html", context=factories.contract_context())
    lines = tool("pdffonts", content=content, tmp_path=tmp_path).splitlines()[2:]
    assert lines
    for line in lines:
        assert "CJK" in line
        assert re.search(r"\byes yes (yes|no)\b", line), line


@pytest.mark.parametrize(("kind", "words"), [("direct", "直接租赁"), ("leaseback", "占有改定"), ("cash", "个人借款合同")])
def test_a_contract_says_amounts_in_figures_and_capitals_and_numbers_clauses_and_pages(kind, words, tmp_path):
    content = services.render(template="loan_contract.html", context=factories.contract_context(kind))
    text = squeezed(tool("pdftotext", content=content, tmp_path=tmp_path))
    assert words in text
    assert "120,000.00" in text
    assert "人民币壹拾贰万元整" in text
    assert "3,917.29" in text
    assert "第一条" in text
    assert "第十条" in text
    assert "第1页" in text
    assert "310101199003071234" in text
    for row in factories.contract_context()["schedule"]:
        assert row.due_date.isoformat() in text


def test_the_cost_table_tells_every_cost_its_year_and_that_nothing_else_is_charged(tmp_path):
    context = factories.contract_context() | {"reading_seconds": 10}
    text = squeezed(tool("pdftotext", content=services.render(template="cost_table.html", context=context), tmp_path=tmp_path))
    for words in ("综合融资成本明示表", "手续费", "600.00", "0.38%", "逾期罚息", "不以任何名目", "仅在违约时可能发生", "收取主体", "10秒"):
        assert words in text, words
    assert "年化综合融资成本" in text


@pytest.mark.parametrize("template", list(factories.SHEETS))
def test_each_paper_renders_with_its_number_and_amounts(template, tmp_path):
    content = services.render(template=template, context=factories.SHEETS[template])
    text = squeezed(tool("pdftotext", content=content, tmp_path=tmp_path))
    assert factories.SHEETS[template]["number"] in text
    assert factories.LENDER["name"] in text
    if template not in ("credit_authorisation.html",):
        assert "人民币" in text


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/x.png",
        "https://example.com/x.css",
        "file:///etc/passwd",
        "../../carloan/settings.py",
        "file:///proc/self/environ",
        "data:image/png;base64,AAAA",
        "ftp://example.com/x",
    ],
)
def test_a_template_gets_nothing_but_own_static_files(address, monkeypatch):
    html = f'<html><body><img src="{address}"></body></html>'
    monkeypatch.setattr(rendering, "render_to_string", lambda *_: html)
    with pytest.raises(rendering.UrlBlocked):
        rendering.render_pages("x.html", {})


def test_what_people_typed_is_text_and_never_markup(tmp_path):
    context = factories.contract_context()
    context["borrower"]["name"] = '<img src="file:///etc/passwd">'
    content = services.render(template="loan_contract.html", context=context)
    assert '<imgsrc="file:///etc/passwd">' in squeezed(tool("pdftotext", content=content, tmp_path=tmp_path))


def test_without_a_chinese_font_the_command_to_install_one_is_told(tmp_path):
    config = tmp_path / "fonts.conf"
    config.write_text('<?xml version="1.0"?><fontconfig><cachedir>/tmp</cachedir></fontconfig>')
    code = (
        "from django.conf import settings\nsettings.configure(USE_I18N=False)\n"
        "from apps.documents import rendering\n"
        "try:\n    rendering.check_fonts()\nexcept rendering.FontMissing as error:\n    print(error.title)"
    )
    environment = os.environ | {"FONTCONFIG_FILE": str(config)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert "apt-get install fonts-noto-cjk" in done.stdout, done.stderr


def test_the_fonts_of_this_machine_will_do():
    rendering.check_fonts()


def test_each_signature_has_its_place_on_the_page():
    rendered = rendering.render_document("loan_contract.html", factories.contract_context())
    assert {box.field for box in rendered.boxes} == {"company", "customer"}
    for box in rendered.boxes:
        assert 0 < box.left < box.right < 596
        assert 0 < box.bottom < box.top < 842


def test_a_qr_code_is_a_drawing_without_outside_parts():
    drawing = qr.svg("https://carloan.example.cn/verify/?number=PZ1&x=1")
    assert drawing.startswith("<svg")
    assert "#fff" in drawing
    assert services.qr_svg("https://example.cn") != drawing


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("{{ 1234567.5|yuan }}", "1,234,567.50"),
        ('{{ ""|yuan }}', "–"),
        ('{{ "-3"|yuan }}', "−3.00"),
        ('{{ "100010.05"|capital }}', "人民币壹拾万零壹拾元零伍分"),
        ('{{ "0.108"|percent }}', "10.80%"),
        ('{{ "0.12345"|percent }}', "12.345%"),
        ('{{ "2026-11-20"|date_cn }}', "2026年11月20日"),
    ],
)
def test_papers_write_figures_in_one_way(source, written):
    template = engines["django"].from_string("{% load documents %}" + source)
    assert template.render({}) == written


def test_the_garbage_collector_runs_again_after_a_paper_and_after_a_failed_one(monkeypatch):
    resting = []
    monkeypatch.setattr(rendering, "_own_folders", lambda own=rendering._own_folders: resting.append(not gc.isenabled()) or own())
    rendering.render_pages("seal.html", {"signs": [], "size": 12, "word": "章"})
    assert any(resting)
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), rendering._collector_at_rest():
        raise ZeroDivisionError
    assert gc.isenabled()
