"""Runs pytest beside an embedded PostgreSQL and Redis, unless DATABASE_URL and REDIS_URL name others; ends both with it."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from carloan import embedded


def main() -> int:
    """Exit code of pytest, or 2 when the servers cannot start."""
    redis = None
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "carloan.settings_test"}
    try:
        env.setdefault("DATABASE_URL", "")
        env["DATABASE_URL"] = env["DATABASE_URL"] or embedded.start_postgres()
        if not env.get("REDIS_URL"):
            env["REDIS_URL"], redis = embedded.start_redis(embedded.data_dir() / "redis-tests")
    except embedded.EmbeddedServerError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", *sys.argv[1:]], env=env, check=False
        ).returncode
    except KeyboardInterrupt:
        return 130
    finally:
        if redis:
            redis.terminate()
            redis.wait()


if __name__ == "__main__":
    sys.exit(main())
