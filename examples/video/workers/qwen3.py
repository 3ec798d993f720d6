"""qwen3: two or three sentences on a video, from what the others heard and saw. { summary } out.

{ name, durationMs, transcript, tags, clips } in; transcript and tags are null for a silent film.
Qwen/Qwen3-0.6B (Apache-2.0), bf16 as it was trained, without its thinking mode, greedy. The transcript is
cut to `maxTranscriptCharacters` (default 6000), which bounds the memory of a batch.
"""

from dry import unless_dry
from gpu import device_of, run_readable
from plimsoll_worker import serve

TASK = "You describe videos for an archive. Answer in two or three plain sentences. Claim only what is noted."


def load(options):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    name = options.get("model", "Qwen/Qwen3-0.6B")
    model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.bfloat16)
    tokenizer = AutoTokenizer.from_pretrained(name, padding_side="left")
    return tokenizer, model.to(device_of(options)).eval(), int(options.get("maxTranscriptCharacters", 6000))


def run(inputs, model):
    tokenizer, network, max_characters = model
    return run_readable(
        inputs,
        lambda given: notes_on(given, max_characters),
        lambda notes: summarise(notes, tokenizer, network),
    )


def notes_on(given, max_characters):
    """What is known of the video, in words."""
    tags = [tag["tag"] for tag in given["tags"] or []]
    actions = [
        f"{clip['fromMs'] // 1000} s: {clip['actions'][0]['action']}" for clip in given["clips"] or [] if clip
    ]
    said = (given["transcript"] or "").strip()
    return "\n".join(
        [
            f"Video: {given['name']}, {given['durationMs'] / 1000:.0f} seconds.",
            f"Sounds: {', '.join(tags) or 'none'}.",
            f"Actions seen (a classifier's guesses): {'; '.join(actions[:60]) or 'none'}.",
            f"Spoken: {said[:max_characters] or 'nothing'}",
        ]
    )


def summarise(notes, tokenizer, model):
    import torch

    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "system", "content": TASK}, {"role": "user", "content": note}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        for note in notes
    ]
    tokens = tokenizer(prompts, return_tensors="pt", padding=True).to(model.device)
    with torch.inference_mode():
        written = model.generate(
            **tokens, max_new_tokens=160, do_sample=False, temperature=None, top_p=None, top_k=None
        )
    answers = tokenizer.batch_decode(written[:, tokens["input_ids"].shape[1] :], skip_special_tokens=True)
    return [{"summary": answer.strip()} for answer in answers]


def not_written(given):
    return {"summary": "(dry: no summary was written)", "notes": notes_on(given, 6000)}


if __name__ == "__main__":
    serve(*unless_dry(load, run, not_written))
