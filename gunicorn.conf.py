"""Gunicorn's own settings; what else it is started with stands with the processes in docs/runbook.md."""

# Where an access log is switched on, it has addresses without query strings: what people search for may be personal.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s %(H)s" %(s)s %(B)s %(D)s'
