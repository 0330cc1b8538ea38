#!/usr/bin/env bash
# Sets up this checkout: system packages, the virtual environment, pinned libraries, translations. Safe to repeat; quick when nothing changed.
# usage: scripts/setup.sh [runtime|dev]      (dev adds what the tests need)
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-runtime}
venv=${VENV:-.venv}
say() { printf '%s\n' "$*" >&2; }
stop() { say "$*"; exit 2; }

touch .write-test 2>/dev/null || stop "This folder is read-only ($PWD). Clone the project into a folder that you may write to."
rm -f .write-test

python=${PYTHON:-python3}
command -v "$python" >/dev/null || stop "python3 is missing. Run: apt-get install python3 python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop "Python 3.11 or newer is needed; found $("$python" --version). Set PYTHON to a newer one."

# WeasyPrint draws with pango and harfbuzz, Chinese text needs a CJK font, msgfmt compiles the translations, pdfsig is a second opinion.
packages=(libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-cjk gettext poppler-utils)
# Browser tests: Chromium, and what the driver that leads it is linked against.
[ "$kind" = dev ] && packages+=(chromium libatomic1)
"$python" -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
if command -v dpkg-query >/dev/null; then
  missing=()
  for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    install="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" = 0 ]; then as_root=(env)
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo env)
    else stop "System packages are missing. Run as root, then try again: $install"; fi
    say "Installing system packages: ${missing[*]}"
    log=$(mktemp)
    if ! { "${as_root[@]}" apt-get update -q && "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
      tail -n 5 "$log" >&2
      stop "The system packages could not be installed. Run by hand, then try again: $install"
    fi
    rm -f "$log"
  fi
else
  say "Not a Debian system: make sure these are installed: pango, harfbuzz-subset, a CJK font, gettext, poppler-utils."
fi

# A run that was killed may have left half an environment behind: one without pip is made anew.
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  rm -rf "$venv"
  "$python" -m venv "$venv" || stop "The virtual environment could not be made. Run: apt-get install python3-venv"
fi
requirements=requirements.txt
[ "$kind" = dev ] && requirements=requirements-dev.txt
stamp=$venv/.installed-$kind
if ! sha256sum --status --check "$stamp" 2>/dev/null; then
  say "Installing libraries from $requirements"
  [ -x "$venv/bin/uv" ] || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$(grep -m1 '^uv==' requirements-setup.txt)"
  "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r "$requirements" || stop "The libraries could not be installed; see above. Is the package index reachable?"
  sha256sum requirements.txt requirements-dev.txt >"$stamp"
fi

for po in locale/*/LC_MESSAGES/*.po; do
  [ -e "$po" ] || continue
  [ "${po%.po}.mo" -nt "$po" ] || msgfmt --check-format -o "${po%.po}.mo" "$po"
done
