"""JDM documents (the decision flows of `zen-engine`): read, checked cell by cell, and told what they read.

The engine takes a mistake in a cell for a rule that never fires, so nothing is published that was not compiled here first.
Measured with zen-engine 2.1.3: `validate_unary_expression` refuses the cells of tables (`> 5`) as if they were whole expressions;
`compile_unary_expression` tells right from wrong, so cells are compiled instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import zen

from apps.risk.domain.catalogue import CATALOGUE, Feature, Kind

NODE_TYPES: Final = frozenset({"inputNode", "outputNode", "decisionTableNode", "expressionNode"})
OUTCOMES: Final = ("approve", "review", "more_info", "decline")  # from mild to strict
RESULT_KEYS: Final = ("outcome", "grade", "score", "limit_fen", "rate_ppm")
MAX_NODES: Final = 100
MAX_RULES: Final = 2_000
MAX_CELL: Final = 500

_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_CODE: Final = re.compile(r"'[A-Z]{2}-\d{3}'", re.ASCII)
_STRING: Final = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_NAME: Final = re.compile(r"(?<![\w.#$])[A-Za-z_]\w*(?!\w*\s*\()", re.ASCII)
_NUMBER: Final = re.compile(r"(?<![\w.])\d+(?![\w.]*[A-Za-z_])", re.ASCII)
_WORDS: Final = frozenset({"and", "or", "not", "in", "true", "false", "null"})


class BadFlow(ValueError):
    """A flow that must not be published; `problems` names every place."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems[:5]))


@dataclass(frozen=True, slots=True)
class FlowShape:
    """What a checked flow reads and how its result is to be read."""

    reads: tuple[str, ...]
    rule_paths: tuple[str, ...]  # keys under which tables of rules leave their hits
    score_paths: dict[str, frozenset[str]]  # key of a scorecard's hits → the variables that must each appear once


@dataclass
class _Check:
    reads: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    rule_paths: list[str] = field(default_factory=list)
    score_paths: dict[str, frozenset[str]] = field(default_factory=dict)

    def fail(self, where: str, what: str) -> None:
        self.problems.append(f"{where}: {what}")


def check_flow(definition: Any) -> FlowShape:
    """The shape of a flow whose every node, key, cell and expression is in order. Raises `BadFlow` with all that is not."""
    check = _Check()
    try:
        order = _ordered_nodes(definition, check)
        _walk(order, definition, check)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        check.fail("document", f"not a JDM document ({type(error).__name__}: {error})")
    if check.problems:
        raise BadFlow(check.problems)
    return FlowShape(tuple(sorted(check.reads)), tuple(check.rule_paths), check.score_paths)


def rates_by_grade(definition: Mapping[str, Any]) -> dict[str, int]:
    """Yearly rate in millionths by grade, from the flow's grade table."""
    for node in definition["nodes"]:
        outputs = {column["field"]: column["id"] for column in node.get("content", {}).get("outputs", [])}
        if {"grade", "rate_ppm"} <= outputs.keys():
            rules = node["content"]["rules"]
            return {rule[outputs["grade"]].strip("'"): int(rule[outputs["rate_ppm"]]) for rule in rules}
    return {}


def _ordered_nodes(definition: Mapping[str, Any], check: _Check) -> list[Mapping[str, Any]]:
    """Nodes in the order of their edges; every node must lie on a way from the input to the output."""
    nodes = {node["id"]: node for node in definition["nodes"]}
    edges = [(edge["sourceId"], edge["targetId"]) for edge in definition["edges"]]
    if len(nodes) != len(definition["nodes"]) or len(nodes) > MAX_NODES:
        check.fail("document", "node ids repeat, or there are too many nodes")
    for node in nodes.values():
        if node["type"] not in NODE_TYPES:
            check.fail(_where(node), f"nodes of type {node['type']} are refused")
    for kind in ("inputNode", "outputNode"):
        if sum(node["type"] == kind for node in nodes.values()) != 1:
            check.fail("document", f"exactly one {kind} is needed")
    if any(source not in nodes or target not in nodes for source, target in edges):
        check.fail("document", "an edge leads nowhere")
    ordered: list[Mapping[str, Any]] = []
    waiting = dict(nodes)
    while waiting:
        ready = [key for key in waiting if not any(target == key and source in waiting for source, target in edges)]
        if not ready:
            check.fail("document", "the edges run in a circle")
            break
        ordered += [waiting.pop(key) for key in ready]
    for node in nodes.values():
        if node["type"] != "inputNode" and not any(target == node["id"] for _source, target in edges):
            check.fail(_where(node), "no edge leads here")
        if node["type"] != "outputNode" and not any(source == node["id"] for source, _target in edges):
            check.fail(_where(node), "no edge leads away")
    return ordered


def _walk(order: list[Mapping[str, Any]], definition: Mapping[str, Any], check: _Check) -> None:
    known: dict[str, frozenset[str]] = {}
    for node in order:
        before = [edge["sourceId"] for edge in definition["edges"] if edge["targetId"] == node["id"]]
        seen: frozenset[str] = frozenset().union(*(known.get(source, frozenset()) for source in before))
        made: set[str] = set()
        if node["type"] == "decisionTableNode":
            made = _check_table(node, seen, check)
        elif node["type"] == "expressionNode":
            made = _check_expressions(node, seen, check)
        elif node["type"] == "outputNode":
            for key in RESULT_KEYS:
                if key not in seen:
                    check.fail(_where(node), f"the flow leaves no {key}")
        known[node["id"]] = seen | made


def _check_content(node: Mapping[str, Any], check: _Check) -> None:
    content = node["content"]
    if content.get("passThrough") is not True or content.get("inputField") or content.get("executionMode", "single") != "single":
        check.fail(_where(node), "must pass its input on, whole and once")


def _check_table(node: Mapping[str, Any], seen: frozenset[str], check: _Check) -> set[str]:
    content, where = node["content"], _where(node)
    _check_content(node, check)
    path = content.get("outputPath")
    collects = content["hitPolicy"] == "collect"
    outputs = {column["id"]: column["field"] for column in content["outputs"]}
    if content["hitPolicy"] not in ("first", "collect") or collects != bool(path):
        check.fail(where, "a table that collects needs an output path, one that takes the first hit has none")
    if len(content["rules"]) > MAX_RULES:
        check.fail(where, "too many rules")
    for column in content["inputs"]:
        _check_expression(column["field"], f"{where}, column {column['field']}", seen, check)
    for number, rule in enumerate(content["rules"], start=1):
        place = f"{where}, rule {number}"
        for column in content["inputs"]:
            _check_cell(rule.get(column["id"], ""), column["field"], place, seen, check)
        for key in outputs:
            _check_expression(rule.get(key, ""), place, seen, check)
    _check_outputs(node, outputs, check)
    made = {path} if path else set(outputs.values())
    for key in made:
        _check_key(key, where, check)
    return made


def _check_outputs(node: Mapping[str, Any], outputs: Mapping[str, str], check: _Check) -> None:
    """Tables of rules leave `code` and `outcome`, scorecards `variable` and `points`: both as plain values."""
    content, where, path = node["content"], _where(node), node["content"].get("outputPath")
    column = {name: key for key, name in outputs.items()}
    if content["hitPolicy"] != "collect":
        return
    if set(column) == {"code", "outcome"}:
        check.rule_paths.append(path)
        allowed = {f"'{outcome}'" for outcome in OUTCOMES if outcome != "approve"}
        for number, rule in enumerate(content["rules"], start=1):
            if not _CODE.fullmatch(str(rule.get(column["code"]))) or rule.get(column["outcome"]) not in allowed:
                check.fail(f"{where}, rule {number}", "needs a code such as 'AC-001' and an outcome of decline, review, more_info")
    elif set(column) == {"variable", "points"}:
        variables = {str(rule.get(column["variable"])).strip("'") for rule in content["rules"]}
        check.score_paths[path] = frozenset(variables)
    else:
        check.fail(where, "a table that collects leaves code and outcome, or variable and points")


def _check_expressions(node: Mapping[str, Any], seen: frozenset[str], check: _Check) -> set[str]:
    where, made = _where(node), set()
    _check_content(node, check)
    if node["content"].get("outputPath"):
        check.fail(where, "must not move its output")
    for row in node["content"]["expressions"]:
        _check_key(row["key"], where, check)
        _check_expression(row["value"], f"{where}, {row['key']}", seen, check)
        made.add(row["key"])
    return made


def _check_expression(text: Any, where: str, seen: frozenset[str], check: _Check) -> None:
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_CELL:
        check.fail(where, "an expression is missing or too long")
        return
    try:
        zen.compile_expression(text)
    except Exception as error:  # noqa: BLE001  (the engine raises plain exceptions)
        check.fail(where, f"`{text}` does not compile: {_first_line(error)}")
        return
    _note_reads(text, where, seen, check)


def _check_cell(text: Any, column: str, where: str, seen: frozenset[str], check: _Check) -> None:
    """An empty cell always matches; any other must compile, and match at least one value that its column can have."""
    if text == "":
        return
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_CELL:
        check.fail(where, "a cell is not a text, or too long")
        return
    try:
        zen.compile_unary_expression(text)
    except Exception as error:  # noqa: BLE001  (the engine raises plain exceptions)
        check.fail(where, f"`{text}` does not compile: {_first_line(error)}")
        return
    _note_reads(text, where, seen, check)
    if column in CATALOGUE and not _can_match(text, CATALOGUE[column]):
        check.fail(where, f"`{text}` can never match {column}")


def _can_match(cell: str, feature: Feature) -> bool:
    others = [CATALOGUE[name] for name in _names(cell) if name in CATALOGUE]
    for value in _probes(cell, feature):
        for low in (True, False):
            context = {other.name: next(_probes("", other)) if low else list(_probes("", other))[-1] for other in others}
            if _matches(cell, {"$": value, **context}):
                return True
    return False


def _matches(cell: str, context: dict[str, Any]) -> bool:
    try:
        return bool(zen.evaluate_unary_expression(cell, context))
    except Exception:  # noqa: BLE001  (a type that does not fit; inside a table the engine would take it for no match)
        return False


def _probes(cell: str, feature: Feature) -> Iterator[int | bool | str]:
    if feature.kind is Kind.BOOLEAN:
        yield from (False, True)
    elif feature.kind is Kind.CHOICE:
        yield from feature.choices
    else:
        numbers = {int(text) + step for text in _NUMBER.findall(_STRING.sub("", cell)) for step in (-1, 0, 1)}
        yield from sorted({feature.least, feature.most} | {number for number in numbers if feature.least <= number <= feature.most})


def _note_reads(text: str, where: str, seen: frozenset[str], check: _Check) -> None:
    for name in _names(text):
        if name in CATALOGUE:
            check.reads.add(name)
        elif name not in seen:
            check.fail(where, f"`{name}` is neither in the feature catalogue nor made by an earlier node")


def _names(text: str) -> list[str]:
    """Names that an expression reads; what follows a point or opens a bracket is a member or a function."""
    bare = _STRING.sub("''", text)
    if "$nodes" in bare or "`" in bare:
        return ["$nodes"]
    return [name for name in _NAME.findall(bare) if name not in _WORDS]


def _check_key(key: Any, where: str, check: _Check) -> None:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        check.fail(where, f"{key!r} is not a key: small ASCII letters, digits and _")
    elif key in CATALOGUE:
        check.fail(where, f"{key} would overwrite a feature")


def _where(node: Mapping[str, Any]) -> str:
    return str(node.get("name") or node.get("id"))


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:200]
