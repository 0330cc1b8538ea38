"""The outside world as one separate HTTP process: sandbox third parties with the protocol, signatures and callbacks of real ones.

Knows no context, no model and no database; its state lives in memory. Personas and faults are told by HTTP (`parties/control.py`).
"""
