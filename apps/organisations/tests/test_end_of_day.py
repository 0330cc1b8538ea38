"""The end of day with steps of this module: order, restart, partitions, things set aside, two runs at once, missed days."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import translation

from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import NotPermitted
from apps.common.models import Job
from apps.organisations import business_day, end_of_day, partitions, selectors, tasks
from apps.organisations.business_day import Step, StepResult
from apps.organisations.models import Branch, BusinessDay, LegalEntity, StepRun
from apps.organisations.tests.factories import BusinessDayFactory, LegalEntityFactory, UserFactory

HERE = "apps.organisations.tests.test_end_of_day"
D = dt.date(2026, 3, 1)
EOD = Actor.system("eod")

calls: list[tuple[str, dt.date, Any]] = []
broken: set[Any] = set()
gate = threading.Event()
inside = threading.Event()


def note(name: str, day: dt.date, partition: dict[str, Any]) -> StepResult:
    calls.append((name, day, partition.get("part")))
    if name in broken or (name, partition.get("part")) in broken:
        raise ZeroDivisionError(f"{name} cannot")
    return StepResult(done=1)


def late(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    return note("late", day, partition)


def accrual(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    result = note("accrual", day, partition)
    LegalEntity.objects.filter(id=entity_id).update(address=f"{day}")
    return result


def falls_due(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    return note("falls_due", day, partition)


def three_parts(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, Any]]:
    return [{"part": number} for number in range(3)]


def no_parts(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, Any]]:
    return []


def wary(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    return StepResult(done=2, set_aside=[("L-7", "no schedule")])


def slow(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    inside.set()
    assert gate.wait(10)
    return StepResult(done=1)


def wrong_answer(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> None:
    return None


@pytest.fixture(autouse=True)
def registry(monkeypatch, settings):
    calls.clear()
    broken.clear()
    gate.clear()
    inside.clear()
    settings.REDIS_URL = ""
    monkeypatch.setattr(business_day, "_steps", {})
    business_day.register(Step("falls_due", "open", 10, f"{HERE}.falls_due"))
    business_day.register(Step("close", "close", 90, "apps.organisations.end_of_day.close_day"))
    business_day.register(Step("accrual", "close", 30, f"{HERE}.accrual"))
    business_day.register(Step("late", "close", 10, f"{HERE}.late"))


@pytest.fixture
def entity(db):
    return BusinessDayFactory(date=D).legal_entity


def run(entity: LegalEntity, to: dt.date = D) -> list[end_of_day.DayReport]:
    return end_of_day.run(entity_id=entity.id, to=to, actor=EOD)


def states(entity: LegalEntity) -> dict[dt.date, str]:
    return dict(BusinessDay.objects.filter(legal_entity=entity).order_by("date").values_list("date", "state"))


def names() -> list[str]:
    return [name for name, _, _ in calls]


def eod(*args: str) -> tuple[Any, int]:
    out = StringIO()
    code = 0
    try:
        call_command("eod", *args, "--format", "json", stdout=out, stderr=StringIO())
    except SystemExit as stop:
        code = int(stop.code or 0)
    return json.loads(out.getvalue()), code


def test_closing_a_day_runs_the_steps_in_order_and_opens_the_next(entity):
    reports = run(entity)
    assert calls == [("late", D, None), ("accrual", D, None), ("falls_due", dt.date(2026, 3, 2), None)]
    assert states(entity) == {D: "closed", dt.date(2026, 3, 2): "open"}
    assert [(day.date, day.done, day.set_aside) for day in reports] == [(D, 4, 0)]
    assert selectors.business_date(entity.id) == dt.date(2026, 3, 2)
    assert not selectors.may_post(entity.id, D)


def test_running_again_does_nothing_more(entity):
    run(entity)
    calls.clear()
    assert run(entity) == []
    assert calls == []


def test_missed_days_are_caught_up_in_order(entity):
    reports = run(entity, to=dt.date(2026, 3, 4))
    assert [day.date.day for day in reports] == [1, 2, 3, 4]
    assert [(name, day.day) for name, day, _ in calls if name != "accrual"] == [
        ("late", 1), ("falls_due", 2), ("late", 2), ("falls_due", 3), ("late", 3), ("falls_due", 4), ("late", 4), ("falls_due", 5),
    ]  # fmt: skip
    assert selectors.business_date(entity.id) == dt.date(2026, 3, 5)


def test_a_failing_step_stops_the_day_and_says_where_and_why(entity):
    broken.add("accrual")
    with pytest.raises(end_of_day.DayStopped, match=r"2026-03-01.*close.*accrual.*cannot") as stop:
        run(entity, to=dt.date(2026, 3, 3))
    assert stop.value.facts["step"] == "accrual"
    assert states(entity) == {D: "closing", dt.date(2026, 3, 2): "open"}
    row = StepRun.objects.get(step="accrual")
    assert (row.state, row.attempts) == ("failed", 1)
    assert "ZeroDivisionError" in row.error
    job = Job.objects.get(kind="end_of_day")
    assert job.state == Job.State.FAILED
    assert "accrual" in job.error


def breaks_a_law(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    BusinessDay.objects.create(legal_entity_id=entity_id, date=day)
    return StepResult(done=1)


def takes_the_runners_row(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    StepRun.objects.create(legal_entity_id=entity_id, day=day, phase="close", step="accrual")
    return StepResult(done=1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("function", ["breaks_a_law", "takes_the_runners_row"])
def test_a_broken_law_of_the_database_stops_the_day_with_step_and_row(entity, function):
    """Also where the runner's own rows break one: never `done already` without a word on where."""
    business_day.register(Step("accrual", "close", 30, f"{HERE}.{function}"))
    rows, code = eod("--date", str(D), "--entity", entity.code)
    assert (code, rows[0]["state"]) == (1, "day_stopped")
    assert "at step accrual" in rows[0]["error"]
    assert "duplicate key" in rows[0]["error"]
    assert f"({entity.id}, {D}" in rows[0]["error"]


def test_a_day_that_is_none_is_refused_in_one_line(entity):
    with pytest.raises(CommandError) as refused:
        call_command("eod", date="2026-02-30", entity=entity.code)
    assert (str(refused.value), refused.value.returncode) == ("--date: 2026-02-30 is no day. Give one such as 2026-09-30.", 2)


def test_what_a_failing_step_wrote_is_rolled_back(entity, monkeypatch):
    business_day.register(Step("accrual", "close", 30, f"{HERE}.writes_then_fails"))
    with pytest.raises(end_of_day.DayStopped):
        run(entity)
    assert LegalEntity.objects.get(id=entity.id).address != "half"


def writes_then_fails(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    LegalEntity.objects.filter(id=entity_id).update(address="half")
    raise ValueError("half way")


def test_a_restart_goes_on_at_the_failed_step(entity):
    broken.add("accrual")
    with pytest.raises(end_of_day.DayStopped):
        run(entity)
    broken.clear()
    calls.clear()
    run(entity)
    assert names() == ["accrual", "falls_due"]
    assert StepRun.objects.get(step="accrual").attempts == 2
    assert states(entity) == {D: "closed", dt.date(2026, 3, 2): "open"}


def test_opening_steps_that_failed_are_done_before_the_next_close(entity):
    broken.add("falls_due")
    with pytest.raises(end_of_day.DayStopped):
        run(entity)
    assert states(entity) == {D: "closed", dt.date(2026, 3, 2): "open"}
    broken.clear()
    calls.clear()
    run(entity, to=dt.date(2026, 3, 2))
    assert [(name, day.day) for name, day, _ in calls] == [("falls_due", 2), ("late", 2), ("accrual", 2), ("falls_due", 3)]


def test_partitions_each_run_once_and_a_restart_repeats_only_the_failed_one(entity):
    business_day.register(Step("accrual", "close", 30, f"{HERE}.accrual", partitions=f"{HERE}.three_parts"))
    broken.add(("accrual", 1))
    with pytest.raises(end_of_day.DayStopped, match=r"partition 1"):
        run(entity)
    assert sorted(part for name, _, part in calls if name == "accrual") == [0, 1, 2]
    broken.clear()
    calls.clear()
    run(entity)
    assert [part for name, _, part in calls if name == "accrual"] == [1]
    rows = StepRun.objects.filter(step="accrual").order_by("partition_no")
    assert [(row.state, row.attempts, row.partition["part"]) for row in rows] == [("done", 1, 0), ("done", 2, 1), ("done", 1, 2)]


def test_a_step_without_partitions_to_do_leaves_a_row_that_says_so(entity):
    business_day.register(Step("accrual", "close", 30, f"{HERE}.accrual", partitions=f"{HERE}.no_parts"))
    run(entity)
    assert "accrual" not in names()
    row = StepRun.objects.get(step="accrual")
    assert (row.state, row.done_count) == ("done", 0)


def idle(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    calls.append(("idle", day, None))
    return StepResult()


def test_idle_steps_leave_their_rows_with_the_next_one_that_worked_or_at_the_end(entity):
    for number in range(3):
        business_day.register(Step(f"before{number}", "close", number, f"{HERE}.idle"))
        business_day.register(Step(f"after{number}", "open", 50 + number, f"{HERE}.idle"))
    run(entity)
    assert sorted(StepRun.objects.filter(done_count=0, state="done").values_list("step", flat=True)) == [
        "after0", "after1", "after2", "before0", "before1", "before2",
    ]  # fmt: skip
    began = [row.step for row in selectors.step_runs(entity.id, D)]
    assert began == ["before0", "before1", "before2", "late", "accrual", "close"]


def test_idle_steps_before_a_failed_one_are_not_run_again(entity):
    business_day.register(Step("late", "close", 10, f"{HERE}.idle"))
    broken.add("accrual")
    with pytest.raises(end_of_day.DayStopped):
        run(entity)
    assert StepRun.objects.get(step="late").state == "done"
    broken.clear()
    run(entity)
    assert names().count("idle") == 1
    assert StepRun.objects.filter(step="late").count() == 1


def test_commits_wait_for_the_disk_again_after_a_run_however_it_ends(entity):
    seen: list[str] = []

    def setting() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            return str(cursor.fetchone()[0])

    end_of_day.run(entity_id=entity.id, to=D, actor=EOD, progress=lambda done, total: seen.append(setting()))
    assert setting() == seen[-1] == "on"  # the job's end is written when commits wait again
    broken.add("late")
    with pytest.raises(end_of_day.DayStopped):
        run(entity, to=dt.date(2026, 3, 2))
    assert setting() == "on"


def test_a_thing_with_a_problem_is_set_aside_and_the_day_goes_on(entity):
    business_day.register(Step("accrual", "close", 30, f"{HERE}.wary"))
    reports = run(entity)
    assert (reports[0].done, reports[0].set_aside) == (5, 1)
    assert StepRun.objects.get(step="accrual").set_aside == [["L-7", "no schedule"]]
    assert Job.objects.get(kind="end_of_day").failures == [["L-7", "accrual: no schedule"]]
    assert states(entity)[D] == "closed"


def test_a_step_that_answers_nothing_is_a_failure(entity):
    business_day.register(Step("accrual", "close", 30, f"{HERE}.wrong_answer"))
    with pytest.raises(end_of_day.DayStopped, match="not a StepResult"):
        run(entity)


def test_a_job_left_running_by_a_killed_process_is_noted(entity):
    job = Job.objects.create(kind="end_of_day", state=Job.State.RUNNING, legal_entity_id=entity.id, started_at=clock.now(), actor="x")
    run(entity)
    assert Job.objects.get(id=job.id).state == Job.State.FAILED


def test_doing_a_finished_partition_again_does_nothing(entity):
    run(entity)
    calls.clear()
    assert tasks.run_partition(str(StepRun.objects.get(step="late").id)) is False
    assert calls == []


def test_the_end_of_day_needs_its_permission(entity):
    with pytest.raises(NotPermitted):
        end_of_day.run(entity_id=entity.id, to=D, actor=Actor(kind="staff", label="somebody"))


def test_in_production_a_day_that_has_not_begun_is_refused(entity, settings):
    settings.CLOCK_MOVABLE = False
    with pytest.raises(end_of_day.DayNotBegun):
        run(entity, to=dt.date(2999, 1, 1))


def test_a_quiet_day_is_cheap_in_queries(entity, django_assert_max_num_queries):
    run(entity)
    with django_assert_max_num_queries(48):
        run(entity, to=dt.date(2026, 3, 2))


def test_the_nightly_task_closes_up_to_yesterday_and_one_stopped_entity_does_not_hold_up_another(entity, monkeypatch):
    other = LegalEntityFactory()  # has no business day
    yesterday = clock.local_date(clock.now()) - dt.timedelta(days=1)
    BusinessDay.objects.filter(legal_entity=entity).delete()
    BusinessDayFactory(legal_entity=entity, date=yesterday)
    assert tasks.run_end_of_day() == {entity.code: 1, other.code: 0}


def test_a_person_with_the_right_may_ask_for_it_and_only_for_the_own_entity(entity):
    admin = UserFactory(legal_entity=entity, roles=["entity_admin"])
    stranger = UserFactory(roles=["entity_admin"])
    assert tasks.close_days(str(entity.id), "2026-03-01", str(stranger.id)) == 0
    assert tasks.close_days(str(entity.id), "2026-03-01", str(admin.id)) == 1
    assert Job.objects.get(kind="end_of_day").actor == f"staff:{admin.username}"


class TestCommand:
    def test_it_prints_what_was_closed(self, entity):
        answer, code = eod("--date", "2026-03-02", "--entity", entity.code)
        assert code == 0
        assert [(row["date"], row["state"], row["done"]) for row in answer] == [("2026-03-01", "closed", 4), ("2026-03-02", "closed", 4)]

    def test_a_stopped_day_exits_with_1(self, entity):
        broken.add("late")
        answer, code = eod("--date", "2026-03-01", "--entity", entity.code)
        assert code == 1
        assert answer[0]["state"] == "day_stopped"
        assert "late" in answer[0]["error"]

    def test_a_dry_run_writes_nothing(self, entity):
        answer, code = eod("--date", "2026-03-01", "--to", "2026-03-03", "--entity", entity.code, "--dry-run")
        assert (len(answer), code) == (3, 0)
        assert states(entity) == {D: "open"}
        assert not StepRun.objects.exists()

    def test_it_speaks_the_language_of_the_system(self, entity):
        with translation.override("zh-hans"):
            told = StringIO()
            call_command("eod", date="2026-03-01", entity=entity.code, format="json", stdout=StringIO(), stderr=told)
            assert told.getvalue().startswith("已关闭 1 个营业日，搁置 0 项，用时 ")
            call_command("eod", date="2026-03-01", entity=entity.code, format="json", stdout=StringIO(), stderr=told)
            assert f"{entity.code}：2026-03-01 已关账" in told.getvalue()
            with pytest.raises(CommandError, match="请填写 --date"):
                call_command("eod")

    @pytest.mark.parametrize(
        "arguments",
        [["--date", "2026-02-30"], [], ["--date", "2026-03-02", "--to", "2026-03-01"], ["--date", "2026-03-01", "--entity", "NOBODY"]],
    )
    def test_bad_input_exits_with_2_and_writes_nothing(self, entity, arguments):
        with pytest.raises(CommandError) as refusal:
            call_command("eod", *arguments)
        assert refusal.value.returncode == 2
        assert not StepRun.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def _in_background(self, target) -> threading.Thread:
        def work() -> None:
            try:
                target()
            finally:
                connection.close()

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def test_one_run_works_and_the_other_refuses(self):
        entity = BusinessDayFactory(date=D).legal_entity
        business_day.register(Step("accrual", "close", 30, f"{HERE}.slow"))
        first = self._in_background(lambda: run(entity))
        try:
            assert inside.wait(10)
            with pytest.raises(end_of_day.AlreadyRunning):
                run(entity)
        finally:
            gate.set()
            first.join()
        assert states(entity)[D] == "closed"
        assert StepRun.objects.get(step="accrual").attempts == 1

    def test_a_worker_and_the_runner_share_the_partitions_without_doing_one_twice(self):
        entity = BusinessDayFactory(date=D).legal_entity
        business_day.register(Step("accrual", "close", 30, f"{HERE}.share", partitions=f"{HERE}.twenty_parts"))
        stop = threading.Event()

        def worker() -> None:
            while not stop.is_set():
                for row_id in StepRun.objects.filter(step="accrual").exclude(state="done").values_list("id", flat=True):
                    partitions.take(row_id)
                time.sleep(0.002)

        helper = self._in_background(worker)
        try:
            run(entity)
        finally:
            stop.set()
            helper.join()
        assert sorted(part for name, _, part in calls if name == "share") == list(range(20))
        assert StepRun.objects.filter(step="accrual", state="done").count() == 20

    @pytest.mark.parametrize("parts", [None, f"{HERE}.three_parts"])
    def test_a_law_that_speaks_at_the_commit_stops_the_day_like_any_failure(self, parts):
        entity = BusinessDayFactory(date=D).legal_entity
        business_day.register(Step("accrual", "close", 30, f"{HERE}.breaks_a_deferred_law", partitions=parts))
        with pytest.raises(end_of_day.DayStopped, match="accrual"):
            run(entity)
        assert set(StepRun.objects.filter(step="accrual").values_list("state", flat=True)) == {"failed"}
        assert not Branch.objects.exists()


def breaks_a_deferred_law(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    Branch.objects.create(legal_entity_id=UUID(int=1), code=str(partition), name="of no lender")
    return StepResult(done=1)


def twenty_parts(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, Any]]:
    return [{"part": number} for number in range(20)]


def share(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    time.sleep(0.005)
    return note("share", day, partition)
