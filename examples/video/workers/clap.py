"""clap: what a recording sounds like. { path } of a 48 kHz WAV in; { tags } out, the three best first.

laion/clap-htsat-unfused (Apache-2.0), 0.15 billion weights, fp16. It compares sound with sentences, so the
tags are a list of ours (option `tags`). It hears 10 s at a time: of a longer recording up to `maxWindows`
windows, spread evenly, are heard and their scores averaged; cut here, since the processor would pick one
window by chance.
"""

from dry import unless_dry
from gpu import device_of, run_readable
from plimsoll_worker import serve
from wav import read_wav

RATE_HZ = 48_000
WINDOW = 10 * RATE_HZ
WINDOWS_AT_ONCE = 16
TAGS = [
    "speech",
    "music",
    "singing",
    "laughter",
    "applause",
    "a crowd",
    "traffic",
    "an engine",
    "birdsong",
    "a dog",
]
TAGS += ["wind", "rain", "water", "footsteps", "an alarm", "a gunshot or an explosion", "silence"]


def load(options):
    import torch
    from transformers import ClapModel, ClapProcessor

    name, tags = options.get("model", "laion/clap-htsat-unfused"), options.get("tags", TAGS)
    processor = ClapProcessor.from_pretrained(name)
    model = ClapModel.from_pretrained(name, dtype=torch.float16).to(device_of(options)).eval()
    sentences = processor(text=[f"the sound of {tag}" for tag in tags], return_tensors="pt", padding=True)
    with torch.inference_mode():
        tag_vectors = model.get_text_features(**sentences.to(model.device)).pooler_output
    return processor, model, tags, tag_vectors, int(options.get("maxWindows", 6))


def run(inputs, model):
    return run_readable(
        inputs, lambda given: read_wav(given["path"], RATE_HZ), lambda sounds: hear(sounds, *model)
    )


def hear(sounds, processor, model, tags, tag_vectors, max_windows):
    import torch

    windows = [windows_of(sound, max_windows) for sound in sounds]
    flat = [window for some in windows for window in some]
    likelihoods = []
    for start in range(0, len(flat), WINDOWS_AT_ONCE):
        some = flat[start : start + WINDOWS_AT_ONCE]
        features = processor(audio=some, sampling_rate=RATE_HZ, return_tensors="pt").to(
            model.device, model.dtype
        )
        with torch.inference_mode():
            vectors = model.get_audio_features(**features).pooler_output
            likelihoods.append((vectors @ tag_vectors.T * model.logit_scale_a.exp()).float().softmax(-1))
    by_sound = torch.cat(likelihoods).split([len(some) for some in windows])
    return [best_tags(likelihood.mean(0), tags) for likelihood in by_sound]


def windows_of(sound, max_windows):
    count = min(max_windows, -(-len(sound) // WINDOW))
    if count == 1:
        return [sound[:WINDOW]]
    step = (len(sound) - WINDOW) / (count - 1)
    return [sound[round(index * step) : round(index * step) + WINDOW] for index in range(count)]


def best_tags(likelihood, tags):
    scores, places = likelihood.topk(min(3, len(tags)))
    return {
        "tags": [
            {"tag": tags[at], "score": round(score, 3)} for score, at in zip(scores.tolist(), places.tolist())
        ]
    }


if __name__ == "__main__":
    serve(
        *unless_dry(
            load, run, lambda given: {"tags": [{"tag": f"(dry: {given['path']} was not heard)", "score": 0}]}
        )
    )
