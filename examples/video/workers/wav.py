"""A mono 16-bit WAV, as steps/audio.py writes it, as numbers from -1 to 1."""

import wave


def read_wav(path, rate):
    import numpy

    try:
        with wave.open(path) as file:
            shape = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            samples = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f'"{path}" is no whole WAV file: {error}') from error
    if shape != (1, 2, rate):
        raise ValueError(
            f'"{path}" has {shape[0]} channels of {shape[1] * 8} bits at {shape[2]} Hz; due: 1 of 16, {rate}.'
        )
    if not samples:
        raise ValueError(f'"{path}" holds no sound.')
    return numpy.frombuffer(samples, dtype="<i2").astype("float32") / 32768
