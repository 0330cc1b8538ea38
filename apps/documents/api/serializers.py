"""Shapes of the archive's interface."""

from __future__ import annotations

from rest_framework import serializers

from apps.documents.models import Document


class DocumentSerializer(serializers.ModelSerializer):
    """A paper of mine; take it from its `file` address."""

    kind_name = serializers.CharField(source="get_kind_display", read_only=True)

    class Meta:
        model = Document
        fields = ("id", "kind", "kind_name", "number", "filename", "content_type", "size", "sha256", "is_signed", "created_at")
        read_only_fields = fields
