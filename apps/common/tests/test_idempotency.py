import threading

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from apps.common import idempotency
from apps.common.models import IdempotencyRecord, WorkingDay

pytestmark = pytest.mark.django_db


def deed_that_writes():
    WorkingDay.objects.create(day=f"2030-01-{WorkingDay.objects.count() + 1:02d}", is_working=True)
    return 201, {"made": WorkingDay.objects.count()}


def call(**changes):
    arguments = {"owner": "u1", "key": "k1", "digest": "d1", "deed": deed_that_writes} | changes
    return idempotency.once(**arguments)


def test_a_repetition_gets_the_first_answer_and_does_nothing():
    assert call() == (201, {"made": 1}, False)
    assert call() == (201, {"made": 1}, True)
    assert WorkingDay.objects.count() == 1


def test_another_key_or_another_owner_is_another_request():
    call()
    assert call(key="k2")[2] is False
    assert call(owner="u2")[2] is False
    assert WorkingDay.objects.count() == 3


def test_the_same_key_with_another_request_is_refused():
    call()
    with pytest.raises(idempotency.KeyReused):
        call(digest="d2")


@pytest.mark.parametrize("key", ["", "x" * 129])
def test_a_missing_or_overlong_key_is_refused_before_anything_happens(key: str):
    with pytest.raises(idempotency.KeyMissing):
        call(key=key)
    assert not WorkingDay.objects.exists()


def test_a_deed_that_failed_may_be_tried_again_with_its_key():
    def failing():
        deed_that_writes()
        raise ValueError

    with pytest.raises(ValueError):
        call(deed=failing)
    assert not IdempotencyRecord.objects.exists()
    assert call() == (201, {"made": 1}, False)


@pytest.mark.django_db(transaction=True)
def test_parallel_requests_with_one_key_do_one_deed():
    results = []
    barrier = threading.Barrier(5)

    def work() -> None:
        barrier.wait()
        results.append(call())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert WorkingDay.objects.count() == 1
    assert sorted(replayed for _, _, replayed in results) == [False, True, True, True, True]
    assert {str(body) for _, body, _ in results} == {"{'made': 1}"}


@pytest.mark.django_db(transaction=True)
def test_a_request_that_takes_too_long_is_said_to_be_still_running():
    begun, over = threading.Event(), threading.Event()

    def slow() -> tuple[int, dict]:
        begun.set()
        over.wait(10)
        return 201, {"made": 1}

    def work() -> None:
        call(deed=slow)
        connection.close()

    first = threading.Thread(target=work)
    first.start()
    try:
        assert begun.wait(10)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 50")
        with pytest.raises(idempotency.StillRunning):
            call()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
        over.set()
        first.join()
    assert call()[2] is True


class PaperView(APIView):
    authentication_classes: list = []
    permission_classes: list = []

    @idempotency.idempotent
    def post(self, request):
        return Response({"read": request.data["paper"].read().decode(), "tags": request.data.getlist("tag")}, status=201)


def hand_in(content, *, name="paper.txt", tags=("a", "b")):
    data = {"paper": SimpleUploadedFile(name, content), "tag": list(tags)}
    request = APIRequestFactory().post("/papers", data, format="multipart", headers={"Idempotency-Key": "k1"})
    return PaperView.as_view()(request)


def test_the_same_file_again_is_the_same_request_and_is_read_whole():
    first, again = hand_in(b"one"), hand_in(b"one")
    assert (first.status_code, first.data) == (201, {"read": "one", "tags": ["a", "b"]})
    assert (again.data, again.headers[idempotency.REPLAYED]) == (first.data, "true")


@pytest.mark.parametrize("other", [{"content": b"two"}, {"content": b"one", "name": "other.txt"}, {"content": b"one", "tags": ["c", "b"]}])
def test_another_file_under_the_same_key_is_refused(other):
    hand_in(b"one")
    answer = hand_in(**other)
    assert (answer.status_code, answer.data["code"]) == (422, "idempotency_key_reused")
