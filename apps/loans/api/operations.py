"""Counter operations for staff apps and partner systems: what there is, what each would do, and its proposal; approval is a person's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api import APIView, ProblemSerializer
from apps.common.errors import anticipate, problem
from apps.common.idempotency import idempotent
from apps.common.models import ChangeRequest
from apps.loans import selectors, services

MOST_IN_A_BATCH = 200
_REFUSED = {403: ProblemSerializer, 404: ProblemSerializer, 409: ProblemSerializer, 422: ProblemSerializer}


class MayOperate(BasePermission):
    """Staff, or a partner's system, that may propose changes of loans."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user: Any = request.user
        return bool(user and user.is_authenticated and user.kind in ("staff", "client") and user.can("loans.adjust"))


class OperationFieldSerializer(serializers.Serializer):
    """One thing that an operation asks for."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the document's field, not the serializer's own label
    kind = serializers.CharField(help_text="money, signed, date, whole, percent, choice, transaction, text or flag")
    required = serializers.BooleanField()  # type: ignore[assignment]  # the document's field, not the serializer's own
    choices = serializers.ListField(child=serializers.CharField())


class LoanOperationSerializer(serializers.Serializer):
    """A counter operation and its fields; `value_date` is one of every operation's."""

    name = serializers.CharField()
    title = serializers.CharField()
    fields_asked = OperationFieldSerializer(many=True)


class OperationRequestSerializer(serializers.Serializer):
    """An operation with its fields as text: amounts such as "1234.50", days such as "2025-01-31", rates in percent."""

    operation = serializers.CharField(max_length=32)
    data = serializers.DictField(child=serializers.CharField(max_length=200, allow_blank=True))  # type: ignore[assignment]  # as above


class OperationProposalRequestSerializer(OperationRequestSerializer):
    """An operation to be proposed; the same `reference` again is the same proposal."""

    reason = serializers.CharField(max_length=200)
    reference = serializers.CharField(max_length=64, required=False, default="", allow_blank=True)


class OperationPreviewSerializer(serializers.Serializer):
    """The loan before and after, in the shape of `manage.py replay`, and the entries that would be posted."""

    operation = serializers.CharField()
    loan = serializers.CharField()
    value_date = serializers.DateField()
    before = serializers.DictField()
    after = serializers.DictField()
    others = serializers.ListField(child=serializers.DictField())
    journal = serializers.ListField(child=serializers.DictField())


class OperationProposalSerializer(serializers.Serializer):
    """A proposal that waits for another person."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    state = serializers.CharField()
    loan = serializers.CharField(source="subject")
    amount = serializers.DecimalField(max_digits=18, decimal_places=2, allow_null=True)


class BatchItemSerializer(OperationProposalRequestSerializer):
    """One operation of a batch; `reference` is needed, so that sending it again changes nothing."""

    loan = serializers.CharField(max_length=24, help_text="loan number")
    reference = serializers.CharField(max_length=64)


class BatchRequestSerializer(serializers.Serializer):
    """Operations that are proposed each by itself."""

    items = serializers.ListField(child=BatchItemSerializer(), min_length=1, max_length=MOST_IN_A_BATCH)


class BatchAnswerSerializer(serializers.Serializer):
    """The answer to one item: its proposal, or what is wrong with it."""

    reference = serializers.CharField()
    proposal = OperationProposalSerializer(allow_null=True)
    error = ProblemSerializer(allow_null=True)


class BatchAnswersSerializer(serializers.Serializer):
    """The answers in the order of the items."""

    proposed = serializers.IntegerField()
    refused = serializers.IntegerField()
    items = BatchAnswerSerializer(many=True)


def _shown(change: ChangeRequest) -> dict[str, Any]:
    return dict(OperationProposalSerializer(change).data)


class OperationsView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(operation_id="loan_operations_list", tags=["loans"], responses={200: LoanOperationSerializer(many=True)})
    def get(self, request: Request) -> Response:
        """Every counter operation with what it asks for."""
        answer = [
            {
                "name": operation.name,
                "title": str(operation.title),
                "fields_asked": [
                    {
                        "name": field.name,
                        "label": str(field.label),
                        "kind": field.kind,
                        "required": field.required,
                        "choices": [value for value, _label in field.choices],
                    }
                    for field in (services.VALUE_DATE, *operation.fields)
                ],
            }
            for operation in services.OPERATIONS.values()
        ]
        return Response(answer)


class PreviewView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(
        operation_id="loan_operations_preview",
        tags=["loans"],
        request=OperationRequestSerializer,
        responses={200: OperationPreviewSerializer, **_REFUSED},
    )
    def post(self, request: Request, loan_id: UUID) -> Response:
        """What an operation would make of the loan and of the books; nothing is written."""
        asked = self.parse(OperationRequestSerializer, request)
        return Response(services.preview_operation(loan_id=loan_id, actor=self.actor, now=self.now, **asked))


class ProposalsView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(
        operation_id="loan_operations_propose",
        tags=["loans"],
        request=OperationProposalRequestSerializer,
        responses={201: OperationProposalSerializer, **_REFUSED},
    )
    @idempotent
    def post(self, request: Request, loan_id: UUID) -> Response:
        """Propose an operation; another person decides in the back office."""
        asked = self.parse(OperationProposalRequestSerializer, request)
        return Response(_shown(services.propose_operation(loan_id=loan_id, actor=self.actor, now=self.now, **asked)), status=201)


class BatchView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(
        operation_id="loan_operations_batch",
        tags=["loans"],
        request=BatchRequestSerializer,
        responses={200: BatchAnswersSerializer, **_REFUSED},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Propose many operations, each answered by itself; what was refused can be sent again with the rest."""
        items = self.parse(BatchRequestSerializer, request)["items"]
        answers = [self._answer(dict(item), request) for item in items]
        refused = sum(answer["error"] is not None for answer in answers)
        return Response({"proposed": len(answers) - refused, "refused": refused, "items": answers})

    def _answer(self, item: dict[str, Any], request: Request) -> dict[str, Any]:
        answer: dict[str, Any] = {"reference": item["reference"], "proposal": None, "error": None}
        try:
            loan = selectors.loans(request.user).filter(number=item.pop("loan")).first()
            if loan is None:
                raise selectors.LoanUnknown
            answer["proposal"] = _shown(services.propose_operation(loan_id=loan.id, actor=self.actor, now=self.now, **item))
        except Exception as error:
            refused = anticipate(error)
            if refused is None:
                raise
            answer["error"] = problem(refused)
        return answer
