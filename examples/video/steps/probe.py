"""probe: how long a video is, and whether it has pictures and sound. { path } in.

A cover picture in a sound file does not count as pictures. The duration is the container's; a file that
does not tell (a raw stream) is refused, since clips could not be cut from it.
"""

import json

from step import answer, call, existing


def probe(given):
    path = existing(given["path"])
    entries = "format=duration:stream=codec_type,width,height:stream_disposition=attached_pic"
    facts = json.loads(call("ffprobe", "-show_entries", entries, "-of", "json", path))
    duration = facts.get("format", {}).get("duration")
    if duration is None:
        raise RuntimeError(
            f'"{path}" does not say how long it is. Put it into a container: ffmpeg -i IN -c copy OUT.mkv'
        )
    streams = facts.get("streams", [])
    pictures = [s for s in streams if s["codec_type"] == "video" and not s["disposition"]["attached_pic"]]
    return {
        "durationMs": round(float(duration) * 1000),
        "hasVideo": bool(pictures),
        "hasAudio": any(s["codec_type"] == "audio" for s in streams),
        "width": pictures[0]["width"] if pictures else None,
        "height": pictures[0]["height"] if pictures else None,
    }


if __name__ == "__main__":
    answer(probe)
