"""The third parties; importing the package registers their addresses."""

from apps.integrations.sandbox.parties import bank, bureau, control, identity, sms, timestamp

__all__ = ["bank", "bureau", "control", "identity", "sms", "timestamp"]
