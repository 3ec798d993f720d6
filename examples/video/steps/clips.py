"""clips: a video cut where the scene changes, into clips of at most 10 s, each as one sheet of 16 pictures.

{ path, durationMs } in. VideoMAE looks at 16 moments of a clip, 224 x 224; they are drawn side by side on
one 4 x 4 sheet, so that a clip is one file, decoded here on the CPU and not while a GPU waits. A scene change
is ffmpeg's own measure above 0.3 (its documentation suggests 0.3 to 0.5); a piece under 1 s stays with its
neighbour.
"""

import math
import re

from step import answer, call, folder_of, made_whole

LONGEST_MS = 10_000
SHORTEST_MS = 1_000
SCENE_CHANGE = 0.3


def clips(given):
    path, duration = given["path"], int(given["durationMs"])
    folder = folder_of(path) / "clips"
    if not folder.exists():
        with made_whole(folder) as draft:
            draft.mkdir()
            for start, end in cut(scene_changes(path), duration):
                draw_sheet(path, start, end, draft / f"{start}-{end}.jpg")
    spans = sorted(tuple(map(int, sheet.stem.split("-"))) for sheet in folder.glob("*.jpg"))
    return {"clips": [{"path": str(folder / f"{a}-{b}.jpg"), "fromMs": a, "toMs": b} for a, b in spans]}


def scene_changes(path):
    """Moments at which the picture changes all at once, ms."""
    filters = f"scale=320:-2,select='gt(scene,{SCENE_CHANGE})',metadata=print:file=-"
    printed = call("ffmpeg", "-i", path, "-map", "0:v:0", "-vf", filters, "-f", "null", "-")
    return [round(float(time) * 1000) for time in re.findall(r"pts_time:([0-9.]+)", printed)]


def cut(changes, duration):
    """Spans that cover the video: cut at the changes, then each into equal parts of at most LONGEST_MS."""
    edges = [0]
    for change in changes:
        if change - edges[-1] >= SHORTEST_MS and duration - change >= SHORTEST_MS:
            edges.append(change)
    edges.append(duration)
    spans = []
    for start, end in zip(edges, edges[1:]):
        parts = max(1, math.ceil((end - start) / LONGEST_MS))
        marks = [start + (end - start) * part // parts for part in range(parts + 1)]
        spans.extend(zip(marks, marks[1:]))
    return spans


def draw_sheet(path, start, end, sheet):
    """16 moments spread over the span. The last picture is repeated where they end early; none, no sheet."""
    length = max(end - start, 1)
    square = "scale=224:224:force_original_aspect_ratio=increase,crop=224:224"
    filters = f"fps=16000/{length},{square},tpad=stop=16:stop_mode=clone,tile=4x4"
    span = ["-ss", start / 1000, "-t", length / 1000]
    call("ffmpeg", *span, "-i", path, "-map", "0:v:0", "-vf", filters, "-frames:v", 1, "-q:v", 3, "-y", sheet)


if __name__ == "__main__":
    answer(clips)
