"""The data folder of an installation: its place, and the secret that is made in it once."""

import os
import secrets
from pathlib import Path


def folder() -> Path:
    """The folder named by PERENNIAL_DATA, else `var/` beside the code. Need not exist."""
    return Path(os.environ.get("PERENNIAL_DATA") or Path(__file__).resolve().parent.parent / "var").absolute()


def make(data: Path) -> Path:
    """Make the folder: others on this machine may pass through (the database's own account must), not look around."""
    data.mkdir(mode=0o711, parents=True, exist_ok=True)
    return data


def secret(path: Path) -> str:
    """The secret kept in this file, made at the first call. Two first callers get the same one."""
    if not path.exists():
        make(path.parent)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        try:
            os.link(draft, path)  # unlike a rename, never replaces what somebody else made meanwhile
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()
