# One image for web, worker and beat; compose.yaml starts them. Built by the same set-up script as a newcomer's machine.
FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 VENV=/opt/venv PATH=/opt/venv/bin:$PATH
WORKDIR /srv/carloan
COPY scripts/setup.sh scripts/
COPY requirements.txt requirements-dev.txt requirements-setup.txt ./
COPY locale locale
RUN scripts/setup.sh runtime && rm -rf /var/lib/apt/lists/* && useradd --system --create-home carloan
COPY . .
RUN scripts/setup.sh runtime && install -d -o carloan /var/lib/carloan /srv/carloan/.local
ENV CARLOAN_PRODUCTION=1 CARLOAN_LOCAL_DIR=/var/lib/carloan
USER carloan
EXPOSE 8000
CMD ["gunicorn", "carloan.wsgi", "--bind", "0.0.0.0:8000", "--workers", "4", "--threads", "4", "--worker-class", "gthread"]
