"""The file of the guide's weights, which lies in parts in some places."""

import shutil
from pathlib import Path


def joined(path, out):
    """The file of the guide's weights; where a folder has it in parts, they are joined in `out`."""
    path = Path(path).resolve()
    if path.is_file():
        return path
    whole = sorted(path.glob("*.pth")) if path.is_dir() else []
    if whole:
        return whole[0]
    parts = sorted(path.glob("*.part*")) if path.is_dir() else []
    if not parts:
        raise SystemExit(f"--guide: there is no file {path}, and no folder with its parts")
    made = out / parts[0].name.rsplit(".part", 1)[0]
    if made.is_file() and made.stat().st_size == sum(part.stat().st_size for part in parts):
        return made
    scratch = made.with_suffix(".joining")
    with scratch.open("wb") as file:
        for part in parts:
            with part.open("rb") as own:
                shutil.copyfileobj(own, file)
    scratch.rename(made)
    return made
