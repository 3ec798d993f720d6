"""frames: one picture for every `everyMs` of a video, for DINOv3. { path, everyMs } in.

The shorter side becomes 256 pixels; the image processor of the model cuts its own square.
"""

from step import answer, call, folder_of, made_whole


def frames(given):
    every = int(given["everyMs"])
    folder = folder_of(given["path"]) / f"frames-{every}"
    if not folder.exists():
        with made_whole(folder) as draft:
            draft.mkdir()
            smaller = "scale='if(gt(iw,ih),-2,256)':'if(gt(iw,ih),256,-2)'"
            filters = f"fps=1000/{every}:start_time=0:round=up,{smaller}"
            call(
                "ffmpeg", "-i", given["path"], "-map", "0:v:0", "-vf", filters, "-q:v", 3, draft / "%05d.jpg"
            )
    pictures = sorted(folder.glob("*.jpg"))
    return {"frames": [{"path": str(path), "atMs": index * every} for index, path in enumerate(pictures)]}


if __name__ == "__main__":
    answer(frames)
