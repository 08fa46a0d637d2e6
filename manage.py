#!/usr/bin/env python
"""Django's command line, beside the running server or one of its own for as long as the command takes."""

import os
import sys

from config import embedded

WITHOUT_DATABASE = {"help", "version", "--help", "--version", "makemessages", "compilemessages", "collectstatic"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if len(sys.argv) < 2 or sys.argv[1] in WITHOUT_DATABASE:
        execute()
        return
    try:
        with embedded.database():
            execute()
    except embedded.Unavailable as reason:
        sys.exit(str(reason))


def execute() -> None:
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
