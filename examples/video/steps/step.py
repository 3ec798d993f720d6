"""What the ffmpeg steps share: one JSON value in, one out; ffmpeg and its complaints; a folder a video.

Files go to `.plimsoll/video/<name>-<digest>/`, where the digest covers the video's path, size and time of
change: a video that was edited gets a new folder, one that was not is not decoded twice. A file or folder
appears under its final name only when it is whole, so a step that was killed is simply run again.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(".plimsoll/video")


def answer(work):
    """Reads the input, prints what `work` makes of it. A failure: a sentence on stderr, exit code 1."""
    try:
        print(json.dumps(work(json.load(sys.stdin))))
    except KeyError as error:
        sys.exit(f"The input has no {error}.")
    except json.JSONDecodeError as error:
        sys.exit(f"The input is not JSON: {error}")
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(str(error))


def call(program, *arguments):
    """Standard output of ffmpeg or ffprobe."""
    if shutil.which(program) is None:
        raise RuntimeError(f"{program} is not on the PATH. Install ffmpeg (Debian: apt-get install ffmpeg).")
    quiet = ["-nostdin"] if program == "ffmpeg" else []
    done = subprocess.run(
        [program, "-v", "error", *quiet, *map(str, arguments)],
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        complaint = re.sub(r" @ 0x[0-9a-f]+", "", done.stderr).strip().splitlines()[-3:] or [
            "it said nothing"
        ]
        raise RuntimeError(f"{program} ended with code {done.returncode}: {'; '.join(complaint)}")
    return done.stdout


def existing(video):
    """The path of a video that is there."""
    path = Path(video)
    if not path.is_file():
        raise RuntimeError(f'Video "{video}" is not there, or is not a file.')
    return path


def folder_of(video):
    """The folder for what is extracted from a video; made if it is not there."""
    path = existing(video)
    facts = path.stat()
    digest = hashlib.sha256(f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}".encode()).hexdigest()[:12]
    folder = CACHE / f"{re.sub(r'[^A-Za-z0-9._-]', '_', path.stem)[:60]}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def made_whole(final):
    """Gives a path to write to, which becomes `final` when the block ends well."""
    draft = final.with_name(f"{os.getpid()}-{final.name}")
    try:
        yield draft
        if final.is_dir():  # another run of the same step was faster
            return
        os.replace(draft, final)
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)
