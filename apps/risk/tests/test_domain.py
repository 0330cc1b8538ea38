"""The fail-closed engine, the features and the shipped flow, without a database."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.risk.domain.catalogue import CATALOGUE, FEATURES, Kind, Missing
from apps.risk.domain.engine import Flow, strictest
from apps.risk.domain.features import compute_features
from apps.risk.domain.jdm import BadFlow, check_flow, rates_by_grade
from apps.risk.domain.reasons import REASONS
from apps.risk.domain.samples import OUTCOMES, SAMPLES, sample_values

DEFINITION = json.loads((Path(__file__).parent.parent / "flows" / "car_loan.json").read_text(encoding="utf-8"))
FLOW = Flow(DEFINITION)
GOOD = sample_values(FLOW.reads, "good")

NOT_A_VALUE = st.one_of(
    st.none(),
    st.floats(),
    st.just(math.nan),
    st.text(max_size=5),
    st.text(alphabet="9", min_size=500, max_size=600),
    st.integers(max_value=-1),
    st.integers(min_value=10**14),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.booleans(),
    st.integers(min_value=0, max_value=1),
)


class TestShippedFlow:
    @pytest.mark.parametrize(("sample", "outcome"), OUTCOMES.items())
    def test_reaches_each_outcome_by_its_sample(self, sample: str, outcome: str) -> None:
        assert FLOW.decide(sample_values(FLOW.reads, sample)).outcome == outcome

    def test_has_rules_scorecard_and_grades_as_promised(self) -> None:
        tables = {node["id"]: node["content"] for node in DEFINITION["nodes"] if node["type"] == "decisionTableNode"}
        codes = {rule["o1"].strip("'") for name in ("access", "fraud", "bureau") for rule in tables[name]["rules"]}
        assert len(codes) >= 12
        assert len(FLOW.shape.score_paths["score_hits"]) == 8
        assert set(rates_by_grade(DEFINITION)) == {"A", "B", "C", "D", "E"}
        assert codes <= REASONS.keys()

    def test_a_good_customer_gets_grade_limit_and_rate(self) -> None:
        verdict = FLOW.decide(GOOD)
        assert (verdict.outcome, verdict.grade, verdict.score) == ("approve", "A", 740)
        assert (verdict.limit_fen, verdict.rate_ppm) == (50_000_000, 78_800)
        assert sum((verdict.points or {}).values()) + 100 == verdict.score

    @pytest.mark.parametrize(
        ("change", "code", "outcome"),
        [
            ({"age": 17}, "AC-001", "decline"),
            ({"age": 61}, "AC-002", "decline"),
            ({"age_at_end": 66}, "AC-002", "decline"),
            ({"age": 20}, "AC-003", "review"),
            ({"identity_verified": False}, "AC-004", "more_info"),
            ({"card_verified": False}, "AC-005", "more_info"),
            ({"monthly_income": 299_999}, "AC-006", "decline"),
            ({"employment_months": 5}, "AC-007", "review"),
            ({"term_months": 61}, "AC-008", "decline"),
            ({"ltv_bp": 8_501}, "AC-009", "review"),
            ({"price_to_guide_bp": 11_001}, "AC-010", "review"),
            ({"price_to_guide_bp": 13_001}, "AC-011", "decline"),
            ({"dti_bp": 7_001}, "AC-012", "decline"),
            ({"dti_bp": 5_001}, "AC-013", "review"),
            ({"contacts_count": 1}, "AC-014", "more_info"),
            ({"blacklisted": True}, "AF-001", "decline"),
            ({"greylisted": True}, "AF-002", "review"),
            ({"id_mismatch": True}, "AF-003", "decline"),
            ({"device_applicants": 3}, "AF-004", "decline"),
            ({"device_applicants": 2}, "AF-005", "review"),
            ({"consultant_applications": 21}, "AF-006", "review"),
            ({"contact_shared_applicants": 1}, "AF-007", "review"),
            ({"contact_shared_applicants": 4}, "AF-008", "decline"),
            ({"bureau_alert": True}, "AF-009", "review"),
            ({"contact_blacklisted": True}, "AF-010", "review"),
            ({"bureau_status": "no_record"}, "BU-001", "review"),
            ({"credit_history_months": 5}, "BU-002", "review"),
            ({"overdue_m3_24m": 1}, "BU-003", "decline"),
            ({"current_overdue_amount": 100_001}, "BU-004", "decline"),
            ({"current_overdue_amount": 1}, "BU-005", "review"),
            ({"worst_five_class": 3}, "BU-006", "decline"),
            ({"worst_five_class": 2}, "BU-015", "review"),
            ({"worst_five_class": 9}, "BU-015", "review"),
            ({"queries_loan_1m": 4}, "BU-007", "review"),
            ({"queries_loan_1m": 9}, "BU-008", "decline"),
            ({"multi_lender_debt_bp": 20_001}, "BU-009", "decline"),
            ({"multi_lender_debt_bp": 10_001}, "BU-017", "review"),
            ({"unsecured_accounts": 7}, "BU-010", "review"),
            ({"enforcements": 1}, "BU-011", "decline"),
            ({"judgments": 1}, "BU-012", "review"),
            ({"tax_arrears": 1}, "BU-013", "review"),
            ({"bad_accounts": 1}, "BU-014", "decline"),
            ({"card_utilisation_bp": 9_001}, "BU-016", "review"),
            ({"monthly_income": 310_000, "loan_amount": 40_000_000}, "LM-001", "review"),
        ],
    )
    def test_each_rule_fires_at_its_threshold_and_not_before(self, change: dict[str, Any], code: str, outcome: str) -> None:
        verdict = FLOW.decide(GOOD | change)
        assert code in verdict.reasons
        assert verdict.outcome == outcome

    def test_the_lowest_score_is_declined(self) -> None:
        poor = {
            "age": 21, "monthly_income": 300_000, "employment_months": 6, "credit_history_months": 6, "max_overdue_24m": 2,
            "queries_loan_1m": 3, "card_utilisation_bp": 9_000, "down_payment_bp": 0,
        }  # fmt: skip
        verdict = FLOW.decide(GOOD | poor)
        assert (verdict.outcome, verdict.grade) == ("decline", "E")
        assert "SC-001" in verdict.reasons

    def test_a_white_list_entry_lifts_a_grey_one_only(self) -> None:
        assert FLOW.decide(GOOD | {"greylisted": True, "whitelisted": True}).outcome == "approve"
        assert FLOW.decide(GOOD | {"blacklisted": True, "whitelisted": True}).outcome == "decline"


class TestFailClosed:
    def test_nothing_at_all_is_never_an_approval(self) -> None:
        verdict = FLOW.decide({})
        assert verdict.outcome == "more_info"
        assert {gap.field for gap in verdict.gaps} == set(FLOW.reads)

    @pytest.mark.parametrize("field", FLOW.reads)
    def test_a_missing_field_follows_its_policy(self, field: str) -> None:
        verdict = FLOW.decide({name: value for name, value in GOOD.items() if name != field})
        policy = CATALOGUE[field].missing
        expected = "review" if policy is Missing.DEFAULT else policy.value
        assert verdict.outcome == expected
        assert [(gap.field, gap.problem) for gap in verdict.gaps] == [(field, "absent")]

    @given(field=st.sampled_from(FLOW.reads), value=NOT_A_VALUE)
    @settings(max_examples=400, deadline=None)
    def test_a_value_that_is_none_of_the_field_s_never_approves(self, field: str, value: Any) -> None:
        if CATALOGUE[field].problem_of(value) is None:
            return
        assert FLOW.decide(GOOD | {field: value}).outcome != "approve"

    @given(values=st.dictionaries(st.sampled_from(FLOW.reads), NOT_A_VALUE, max_size=12), dropped=st.sets(st.sampled_from(FLOW.reads)))
    @settings(max_examples=300, deadline=None)
    def test_no_broken_input_ever_approves(self, values: dict[str, Any], dropped: set[str]) -> None:
        given_values = {name: value for name, value in (GOOD | values).items() if name not in dropped}
        verdict = FLOW.decide(given_values)
        whole = all(CATALOGUE[name].problem_of(given_values.get(name)) is None for name in FLOW.reads)
        assert verdict.outcome in ("approve", "review", "more_info", "decline")
        assert whole or verdict.outcome != "approve"

    @given(st.data())
    @settings(max_examples=400, deadline=None)
    def test_no_damage_to_the_stored_inputs_ever_approves(self, data: st.DataObject) -> None:
        """Any required leaf of the raw inputs, the bureau report's included, dropped or replaced by what it cannot be."""
        inputs = SAMPLES["good"]()
        path = data.draw(st.sampled_from(_leaves(inputs)))
        holder = inputs
        for key in path[:-1]:
            holder = holder[key]
        if data.draw(st.booleans()):
            if isinstance(holder, dict):
                del holder[path[-1]]
            else:
                holder[path[-1]] = None
        else:
            holder[path[-1]] = data.draw(_wrong_for(holder[path[-1]]))
        if _harmless(path, inputs):
            return
        assert FLOW.decide(compute_features(inputs)).outcome != "approve"

    def test_a_slow_or_broken_engine_is_a_review(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Broken:
            def evaluate(self, *_: Any) -> Any:
                raise RuntimeError("broken")

        flow = Flow(DEFINITION)
        monkeypatch.setattr(flow, "_engine", Broken())
        assert flow.decide(GOOD).outcome == "review"
        assert flow.decide(GOOD).reasons == ("SY-002",)

    @pytest.mark.parametrize(
        "change",
        [
            {"outcome": "yes"},
            {"outcome": None},
            {"grade": "X"},
            {"grade": "E"},
            {"limit_fen": 0},
            {"limit_fen": "1"},
            {"limit_fen": 1.5},
            {"rate_ppm": 0},
            {"score": None},
            {"access_hits": None},
            {"access_hits": [{"code": "AC-001"}]},
            {"fraud_hits": "none"},
            {"score_hits": []},
        ],
    )
    def test_an_incomplete_answer_of_the_engine_is_a_review(self, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        flow = Flow(DEFINITION)
        answer = flow._engine.evaluate("flow", GOOD)["result"] | change

        class Lying:
            def evaluate(self, *_: Any) -> Any:
                return {"result": answer}

        monkeypatch.setattr(flow, "_engine", Lying())
        assert flow.decide(GOOD).outcome == "review"
        assert "SY-004" in flow.decide(GOOD).reasons

    def test_a_flow_that_approves_against_its_own_hits_is_not_believed(self) -> None:
        definition = copy.deepcopy(DEFINITION)
        result = next(node for node in definition["nodes"] if node["id"] == "result")
        result["content"]["expressions"][0]["value"] = "'approve'"
        assert Flow(definition).decide(GOOD | {"blacklisted": True}).outcome == "decline"
        assert Flow(definition).decide(GOOD).outcome == "approve"

    def test_strictest(self) -> None:
        assert strictest("approve", "review") == "review"
        assert strictest("more_info", "review") == "more_info"
        assert strictest("approve", "decline", "more_info") == "decline"
        assert strictest("approve", "whatever") == "review"


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*path, key))] + ([path] if path else [])
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in _leaves(item, (*path, index))] + ([path] if path else [])
    return [path]


def _wrong_for(value: Any) -> st.SearchStrategy[Any]:
    numbers = st.one_of(st.floats(), st.just(math.nan), st.integers(max_value=-1), st.integers(min_value=10**14))
    others = st.one_of(st.none(), numbers, st.text(alphabet="x", min_size=100, max_size=200))
    if not isinstance(value, list):
        others = others | st.lists(st.integers(), max_size=1)
    return others if isinstance(value, str | dict | list) else st.one_of(others, st.text(max_size=5))


# Neither read by the shipped flow nor needed to read the report.
_NOT_READ = {("customer", "registered_days"), ("customer", "housing"), ("application", "lease_type"), ("bureau", "person", "id_type")}


def _harmless(path: tuple[Any, ...], inputs: dict[str, Any]) -> bool:
    if path in _NOT_READ or path[-1] == "ice":
        return True
    return path[-1] == "monthly_payment" and "monthly_payment" not in inputs["bureau"]["accounts"][path[2]]  # optional: estimated then


class TestCatalogue:
    def test_has_at_least_thirty_documented_features(self) -> None:
        assert len(FEATURES) == len(CATALOGUE) >= 30
        assert all(feature.label and feature.version >= 1 and feature.name.isascii() for feature in FEATURES)

    def test_a_default_is_itself_a_value_and_only_there(self) -> None:
        for feature in FEATURES:
            assert (feature.missing is Missing.DEFAULT) == (feature.pessimistic is not None)
            assert feature.pessimistic is None or feature.problem_of(feature.pessimistic) is None

    def test_types_are_strict(self) -> None:
        age, flag = CATALOGUE["age"], CATALOGUE["blacklisted"]
        assert age.problem_of(35) is None
        assert [age.problem_of(value) for value in (35.0, "35", True, -1, None)] == [
            "mistyped", "mistyped", "mistyped", "out_of_range", "absent",
        ]  # fmt: skip
        assert flag.problem_of(False) is None
        assert flag.problem_of(0) == "mistyped"

    def test_the_samples_compute_every_feature(self) -> None:
        for name, sample in SAMPLES.items():
            values = compute_features(sample())
            assert set(values) == set(CATALOGUE), name
            assert all(CATALOGUE[key].problem_of(value) is None for key, value in values.items()), name
            assert all(type(value) is int for key, value in values.items() if CATALOGUE[key].kind is Kind.INTEGER)


class TestFeatures:
    def test_shares_and_burden_of_the_good_sample(self) -> None:
        values = compute_features(SAMPLES["good"]())
        # 120,000 of 152,800 (below the guide price); instalment 4,159.84 and 2,380 + 10 % of 9,140 a month against 18,000
        assert values["ltv_bp"] == 7_854
        assert values["down_payment_bp"] == 2_147
        assert values["instalment_estimate"] == 415_984
        assert values["monthly_obligations"] == 238_000 + 91_400
        assert values["dti_bp"] == 4_142
        assert values["credit_history_months"] == 116

    def test_absent_is_not_no_record(self) -> None:
        thin, absent = SAMPLES["thin"](), SAMPLES["thin"]() | {"bureau": None}
        assert compute_features(thin)["bureau_status"] == "no_record"
        assert compute_features(thin)["open_accounts"] == 0
        assert "bureau_status" not in compute_features(absent)
        assert "open_accounts" not in compute_features(absent)
        assert FLOW.decide(compute_features(thin)).reasons == ("BU-001",)
        assert FLOW.decide(compute_features(absent)).reasons == ("IN-001",)

    def test_overdue_is_counted_from_the_months(self) -> None:
        inputs = SAMPLES["good"]()
        inputs["bureau"]["accounts"][0]["history_24"] = "NNNN1NNN23NN*NNN#NNNNNNN"
        values = compute_features(inputs)
        assert (values["max_overdue_24m"], values["overdue_months_24m"], values["overdue_m3_24m"]) == (3, 4, 1)

    def test_an_income_of_zero_is_the_worst_burden(self) -> None:
        inputs = SAMPLES["good"]()
        inputs["customer"]["monthly_income"] = 0
        assert compute_features(inputs)["dti_bp"] == 1_000_000

    def test_the_same_inputs_give_the_same_features_after_storage(self) -> None:
        for sample in SAMPLES.values():
            assert compute_features(json.loads(json.dumps(sample()))) == compute_features(sample())


def _with_table_cell(text: str) -> dict[str, Any]:
    definition = copy.deepcopy(DEFINITION)
    access = next(node for node in definition["nodes"] if node["id"] == "access")
    access["content"]["rules"][0]["c1"] = text
    return definition


class TestPublishing:
    @pytest.mark.parametrize(
        "cell", ["< < 18", ">", "nosuch(1)", "'a", "younger", "> '18'", "true", "> 200", "$nodes.x > 1", 18, "x" * 600]
    )
    def test_a_cell_that_cannot_work_is_refused(self, cell: Any) -> None:
        with pytest.raises(BadFlow) as refused:
            check_flow(_with_table_cell(cell))
        assert any("access, rule 1" in problem for problem in refused.value.problems)

    @pytest.mark.parametrize("cell", ["< 18", "[0..17]", "0, 1, 2", "not in [30, 31]", "< term_months", ""])
    def test_a_cell_that_can_is_taken(self, cell: str) -> None:
        assert "age" in check_flow(_with_table_cell(cell)).reads

    @pytest.mark.parametrize("kind", ["functionNode", "customNode", "decisionNode", "switchNode"])
    def test_nodes_with_code_are_refused(self, kind: str) -> None:
        definition = copy.deepcopy(DEFINITION)
        definition["nodes"].append({"id": "x", "type": kind, "name": "x", "content": {}})
        definition["edges"] += [
            {"id": "a", "sourceId": "input", "targetId": "x"},
            {"id": "b", "sourceId": "x", "targetId": "output"},
        ]
        with pytest.raises(BadFlow, match="refused"):
            check_flow(definition)

    def test_keys_are_ascii_and_never_a_feature_s(self) -> None:
        for key in ("分数", "Score", "blacklisted", "a b"):
            definition = copy.deepcopy(DEFINITION)
            node = next(node for node in definition["nodes"] if node["id"] == "score")
            node["content"]["expressions"].append({"id": "x", "key": key, "value": "1"})
            with pytest.raises(BadFlow):
                check_flow(definition)

    @pytest.mark.parametrize("document", [None, [], {}, {"nodes": []}, {"nodes": [{}], "edges": []}, {"nodes": 1, "edges": 2}, "car_loan"])
    def test_what_is_no_jdm_document_is_refused(self, document: Any) -> None:
        with pytest.raises(BadFlow):
            check_flow(document)

    def test_a_circle_or_a_loose_node_is_refused(self) -> None:
        circle, loose = copy.deepcopy(DEFINITION), copy.deepcopy(DEFINITION)
        circle["edges"].append({"id": "back", "sourceId": "result", "targetId": "access"})
        loose["edges"] = [edge for edge in loose["edges"] if edge["targetId"] != "bureau"]
        for definition in (circle, loose):
            with pytest.raises(BadFlow):
                check_flow(definition)

    def test_the_fields_read_are_the_fields_of_the_sample(self) -> None:
        assert tuple(GOOD) == FLOW.reads
        assert set(FLOW.reads) <= CATALOGUE.keys()
