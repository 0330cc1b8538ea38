"""`make demo`: the story on real processes, with a readable timeline; then the system stays up until Ctrl-C.

`SERVE=0` ends after the story. `--no-story` (make run) only starts the system, on a database that is kept.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from django_otp.oath import TOTP

from carloan.embedded import BASE_DIR, EmbeddedServerError
from carloan.stack import Stack, StackError, chosen_port, running
from tests.journeys.story import CarLoanStory, Step

LOCAL = Path(os.environ.get("CARLOAN_LOCAL_DIR", BASE_DIR / ".local"))
BAD_SETUP = 2


def say(text: str = "") -> None:
    """A line for the person in front of the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def show(step: Step) -> None:
    """A step of the timeline: time, actor, what happened, state, amount."""
    say(f"{step.at[:16].replace('T', ' ')}  {step.actor:<21} {step.name:<66} {step.state:<28} {step.amount:>12}")


def show_logins(stack: Stack, logins: list[dict[str, str]]) -> None:
    """Where to go and who may enter."""
    say()
    say(f"  dealer portal   {stack.web_url}/login/")
    say(f"  back office     {stack.web_url}/backoffice/")
    say(f"  verify a paper  {stack.web_url}/verify/")
    say(f"  API             {stack.web_url}/api/docs/   schema {stack.web_url}/api/schema/")
    say(f"  third parties   {stack.sandbox_url}/sandbox/health")
    say()
    say(f"  Log-ins, all with the password {logins[0]['password']}; put the secret into an authenticator, or use the code while it lasts:")
    for login in logins:
        secret = base64.b32encode(bytes.fromhex(login["totp_key"])).decode()
        say(f"  {login['username']:<11} {login['role']:<22} {login['page']:<13} secret {secret}  code now {code_of(login['totp_key'])}")
    say("  `make codes` prints new codes.")


def code_of(totp_key: str) -> str:
    """The six digits of the moment for a hex secret."""
    return str(TOTP(bytes.fromhex(totp_key)).token()).zfill(6)


def show_codes() -> int:
    """The codes of everybody, as an authenticator would show them."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "carloan.settings")
    django.setup()
    from apps.backoffice.demo import logins

    for login in logins():
        say(f"{login.username:<11} {code_of(login.totp_key)}")
    return 0


def serve(stack: Stack) -> None:
    """Stay up until Ctrl-C or until a program dies."""
    say("\n  Up and running. Ctrl-C ends everything.")
    while True:
        time.sleep(1)
        stack.check_alive()


def tell_story(stack: Stack, folder: Path) -> dict[str, object]:
    """Run the story and write its report; a failed one is written, too."""
    import django

    os.environ.update(stack.env)
    django.setup()
    started = time.monotonic()
    story = CarLoanStory(stack, folder, tell=show)
    try:
        report = story.run()
    except BaseException as error:
        failed = {"ok": False, "error": f"{type(error).__name__}: {error}", "steps": [vars(step) for step in story.steps]}
        (folder / "report.json").write_text(json.dumps(failed, ensure_ascii=False, indent=1))
        raise
    (folder / "report.json").write_text(json.dumps(report, ensure_ascii=False, indent=1))
    say(
        f"\n  The story took {time.monotonic() - started:.0f} s; machine time from application to voucher "
        f"{report['machine_seconds_apply_to_voucher']} s. Report: {folder / 'report.json'}"
    )
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description="Carloan's main job, end to end, on real processes.")
    parser.add_argument("--no-story", action="store_true", help="only start the system, with demonstration data")
    parser.add_argument("--codes", action="store_true", help="only print the one-time codes of the moment")
    options = parser.parse_args()
    if options.codes:
        return show_codes()
    name = "run" if options.no_story else "demo"
    folder = LOCAL / name
    try:
        if name == "demo" and (folder / "archive").exists():
            shutil.rmtree(folder / "archive", ignore_errors=True)
        stack = Stack(
            folder,
            f"carloan_{name}",
            fresh=name == "demo",
            web_port=chosen_port("WEB_PORT", 8000),
            sandbox_port=chosen_port("SANDBOX_PORT", 8100),
        )
        with running(stack):
            stack.start_programs()
            say(f"  Database, broker, web, worker, beat and third parties are up: {stack.web_url}\n")
            if not options.no_story:
                tell_story(stack, folder)
            show_logins(stack, json.loads(stack.manage("demo_data", "--format", "json")))
            if os.environ.get("SERVE", "1") != "0":
                serve(stack)
    except (StackError, EmbeddedServerError) as error:
        sys.stderr.write(f"{error}\n")
        return BAD_SETUP
    except AssertionError as error:
        sys.stderr.write(f"The story broke: {error}\nLogs: {folder / 'logs'}\n")
        return 1
    except KeyboardInterrupt:
        say("\n  Stopped.")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
