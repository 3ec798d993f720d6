"""videomae: what happens in a clip. { path, fromMs, toMs } of a sheet of steps/clips.py in; { actions } out.

MCG-NJU/videomae-base-finetuned-kinetics (CC BY-NC 4.0: not for commercial use), 86 million weights, fp16. The
three likeliest of the 400 actions of Kinetics, best first.
"""

from dry import unless_dry
from gpu import device_of, run_readable
from picture import read_pixels
from plimsoll_worker import serve

SIDE = 224


def load(options):
    import torch
    from transformers import VideoMAEForVideoClassification, VideoMAEImageProcessor

    name = options.get("model", "MCG-NJU/videomae-base-finetuned-kinetics")
    model = VideoMAEForVideoClassification.from_pretrained(name, dtype=torch.float16)
    return VideoMAEImageProcessor.from_pretrained(name), model.to(device_of(options)).eval()


def run(inputs, model):
    return run_readable(inputs, read_sheet, lambda sheets: watch(sheets, *model))


def read_sheet(given):
    """The times of the clip, and its 16 pictures in order."""
    whole = read_pixels(given["path"])
    if whole.size != (4 * SIDE, 4 * SIDE):
        raise ValueError(
            f'Sheet "{given["path"]}" is {whole.size[0]} x {whole.size[1]}; 16 pictures of {SIDE} are due.'
        )
    corners = [(column * SIDE, row * SIDE) for row in range(4) for column in range(4)]
    return times(given), [whole.crop((x, y, x + SIDE, y + SIDE)) for x, y in corners]


def watch(sheets, processor, model):
    import torch

    pixels = processor([pictures for _, pictures in sheets], return_tensors="pt").to(
        model.device, model.dtype
    )
    with torch.inference_mode():
        likelihoods = model(**pixels).logits.float().softmax(-1)
    return [{**clip, "actions": best_actions(some, model)} for (clip, _), some in zip(sheets, likelihoods)]


def best_actions(likelihood, model):
    scores, places = likelihood.topk(min(3, len(likelihood)))
    labels = model.config.id2label
    return [
        {"action": labels[at], "score": round(score, 3)}
        for score, at in zip(scores.tolist(), places.tolist())
    ]


def times(given):
    return {"fromMs": given["fromMs"], "toMs": given["toMs"]}


def not_seen(given):
    return {**times(given), "actions": [{"action": f"(dry: {given['path']} was not seen)", "score": 0}]}


if __name__ == "__main__":
    serve(*unless_dry(load, run, not_seen))
