"""audio: the first sound track as a mono 16-bit WAV. { path, rateHz } in: Whisper hears 16 kHz, CLAP 48."""

from step import answer, call, folder_of, made_whole


def audio(given):
    rate = int(given["rateHz"])
    wav = folder_of(given["path"]) / f"audio-{rate}.wav"
    if not wav.exists():
        with made_whole(wav) as draft:
            call(
                "ffmpeg",
                "-i",
                given["path"],
                "-map",
                "0:a:0",
                "-ac",
                1,
                "-ar",
                rate,
                "-c:a",
                "pcm_s16le",
                "-y",
                draft,
            )
    return {"path": str(wav), "rateHz": rate}


if __name__ == "__main__":
    answer(audio)
