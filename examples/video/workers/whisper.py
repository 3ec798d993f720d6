"""whisper: what is said in a recording. { path } of a 16 kHz WAV in; { text, segments } out.

openai/whisper-large-v3-turbo (MIT), 0.8 billion weights, fp16. Recordings longer than its window of 30 s are
heard window by window (Whisper's own long-form decoding), all of a batch side by side. Greedy; the language
is detected.
"""

from dry import unless_dry
from gpu import device_of, run_readable
from plimsoll_worker import serve
from wav import read_wav

RATE_HZ = 16_000
WINDOW_SECONDS = 30


def load(options):
    import torch
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    name = options.get("model", "openai/whisper-large-v3-turbo")
    model = WhisperForConditionalGeneration.from_pretrained(name, dtype=torch.float16)
    return WhisperProcessor.from_pretrained(name), model.to(device_of(options)).eval()


def run(inputs, model):
    return run_readable(
        inputs, lambda given: read_wav(given["path"], RATE_HZ), lambda sounds: hear(sounds, *model)
    )


def hear(sounds, processor, model):
    is_long = max(map(len, sounds)) > WINDOW_SECONDS * RATE_HZ
    features = processor(
        sounds,
        sampling_rate=RATE_HZ,
        return_tensors="pt",
        return_attention_mask=True,
        truncation=not is_long,
        padding="longest" if is_long else "max_length",
    ).to(model.device, model.dtype)
    heard = model.generate(
        **features,
        return_timestamps=True,
        return_segments=True,
        do_sample=False,
        condition_on_prev_tokens=False,
    )
    return [transcript(segments, sound, processor) for segments, sound in zip(heard["segments"], sounds)]


def transcript(segments, sound, processor):
    """The segments within the sound, without what Whisper hears in the silence that fills up its window."""
    length_ms = len(sound) * 1000 // RATE_HZ
    spoken = [
        {
            "fromMs": round(float(segment["start"]) * 1000),
            "toMs": min(round(float(segment["end"]) * 1000), length_ms),
            "text": processor.decode(segment["tokens"], skip_special_tokens=True).strip(),
        }
        for segment in segments
        if float(segment["start"]) * 1000 < length_ms
    ]
    return {"text": " ".join(part["text"] for part in spoken).strip(), "segments": spoken}


if __name__ == "__main__":
    serve(
        *unless_dry(
            load, run, lambda given: {"text": f"(dry: {given['path']} was not heard)", "segments": []}
        )
    )
