"""dinov3: a picture as 384 numbers. { path, atMs } in; { atMs, vector } out.

facebook/dinov3-vits16-pretrain-lvd1689m (DINOv3 License; the weights must be asked for on Hugging Face),
ViT-S/16, 21 million weights, bf16 as its documentation runs it. Pictures that look alike have vectors that
are close. Their length is 1 (four decimals), so an inner product is a cosine.
"""

from dry import unless_dry
from gpu import device_of, run_readable
from picture import read_pixels
from plimsoll_worker import serve


def load(options):
    import torch
    from transformers import AutoImageProcessor, AutoModel

    name = options.get("model", "facebook/dinov3-vits16-pretrain-lvd1689m")
    model = AutoModel.from_pretrained(name, dtype=torch.bfloat16)
    return AutoImageProcessor.from_pretrained(name), model.to(device_of(options)).eval()


def run(inputs, model):
    return run_readable(inputs, read_picture, lambda pictures: embed(pictures, *model))


def read_picture(given):
    return given["atMs"], read_pixels(given["path"])


def embed(pictures, processor, model):
    import torch

    pixels = processor([picture for _, picture in pictures], return_tensors="pt").to(
        model.device, model.dtype
    )
    with torch.inference_mode():
        vectors = torch.nn.functional.normalize(model(**pixels).pooler_output.float(), dim=-1).tolist()
    return [
        {"atMs": at, "vector": [round(value, 4) for value in vector]}
        for (at, _), vector in zip(pictures, vectors)
    ]


if __name__ == "__main__":
    serve(*unless_dry(load, run, lambda given: {"atMs": given["atMs"], "vector": [], "path": given["path"]}))
