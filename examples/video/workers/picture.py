"""A picture file as pixels."""


def read_pixels(path):
    from PIL import Image

    with Image.open(path) as picture:
        return picture.convert("RGB")
