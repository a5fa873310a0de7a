#!/usr/bin/env bash
# Installs the library into a venv below target/ here (once) and runs the banking model: see README.md.
#
#     bench/seed-library/run.sh [SUBJECTS [TICKS]]        PYTHON=python3.8 names another Python
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3}
venv=target/venv-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ ! -e "$venv/ready" ]; then
    rm -rf "$venv" && mkdir -p target
    "$python" -m venv "$venv"
    pip() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2; }
    # Its pins build on Python 3.8 and 3.9 alone; elsewhere the library goes without them, with what
    # it imports in the versions of today.
    if ! pip doge-datagen==1.0.4 2>"$venv/pinned.log"; then
        echo "the library's pins do not install on this Python (see $venv/pinned.log); without them" >&2
        pip --no-deps doge-datagen==1.0.4
        # The database sink needs what SQLAlchemy 2 has no longer.
        pip 'confluent-kafka[avro,schemaregistry]' 'sqlalchemy<2' psycopg2-binary
    fi
    touch "$venv/ready"
fi
exec "$venv/bin/python" "${SCRIPT:-bank.py}" "${1:-10000}" "${2:-1000}"
