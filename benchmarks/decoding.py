"""Predictions from prompts by token tree and by greedy decoding: ``python -m benchmarks.decoding --device cpu``.

A model with random weights in the sizes of the made base (``--hidden 2048 --layers 16`` and so on: bigger ones) and
prompts of generated posts, 1 to 4 scored ones each, with titles of 0 to 30 words. Each form answers every prompt:

- tree: the expected score by one forward per batch over prompts and token tree;
- greedy: popcast's greedy answers;
- generate: greedy answers by transformers' ``generate``, from the same batches;
- tree and greedy in batches of prompts as they come, and one by one (a call per prompt).

An answer is four tokens long (score and end), as a tuned model's is: random weights would not end. The forms take the
prompts slice by slice in turn. Prints prompts per second, seconds of wall clock and of the processor (less moved by
other programs), their ratios, and how far the results are apart.
"""

from __future__ import annotations

import time

import click
import numpy as np

SCORES, WORDS = (1.0, 16.99), 3000
SYLLABLES = ["ba", "co", "di", "fe", "gu", "ha", "ki", "lo", "me", "nu", "pa", "ri", "so", "ta", "ve", "wi"]


def generated_posts(count: int, seed: int) -> list[tuple]:
    """Posts with their scores, as a writer takes them."""
    from popcast.fewshot.templates import PostText

    rng = np.random.default_rng(seed)
    words = ["".join(rng.choice(SYLLABLES, rng.integers(1, 5))) for _ in range(WORDS)]
    rank = 1.0 / np.arange(1, WORDS + 1)
    found = []
    for _ in range(count):
        chosen = rng.choice(WORDS, int(rng.integers(0, 31)), p=rank / rank.sum())
        title = (("title", " ".join(words[i] for i in chosen)),) if len(chosen) else ()
        rest = [(word, words[rng.integers(100)]) for word in ("category", "subcategory", "concept")]
        found.append((PostText((*title, *rest)), float(rng.uniform(*SCORES))))
    return found


def generated(count: int, vocabulary: int) -> tuple:
    """Tokenizer and prompts. The tokenizer has seen histories only, as that of a made base."""
    from popcast.fewshot.score_prompts import Params, PromptWriter
    from popcast.fewshot.tokenizer import make_tokenizer

    posts = generated_posts(4000, 1)
    corpus = PromptWriter(None, Params(), "smpd")
    histories = [corpus.history(posts[i : i + 4]) for i in range(0, len(posts), 4)]
    tokenizer = make_tokenizer(histories, vocabulary, SCORES)
    writer, rng = PromptWriter(tokenizer, Params(), "smpd"), np.random.default_rng(2)
    shown = [rng.integers(0, len(posts), int(rng.integers(1, 5)) + 1) for _ in range(count)]
    return tokenizer, [writer.prompt([posts[i] for i in rows[:-1]], posts[rows[-1]][0]) for rows in shown]


def generate(model, tokenizer, prompts: list[str], params) -> list[str]:
    """Greedy answers by transformers, in batches of prompts of similar length."""
    import torch

    order = np.argsort([len(tokenizer(prompt)["input_ids"]) for prompt in prompts], kind="stable")
    found = [""] * len(prompts)
    for i in range(0, len(order), params.batch_size):
        batch = order[i : i + params.batch_size]
        inputs = tokenizer([prompts[k] for k in batch], return_tensors="pt", padding=True).to(model.device)
        with torch.no_grad():
            out = model.generate(
                **inputs, do_sample=False, max_new_tokens=params.max_new_tokens, pad_token_id=tokenizer.pad_token_id
            )
        for k, row in zip(batch, out[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
            ends = [place for place, token in enumerate(row) if token == tokenizer.eos_token_id]
            found[k] = tokenizer.decode(row[: ends[0]] if ends else row)
    return found


def forms(tokenizer, params) -> dict:
    """name -> function(model, prompts) that returns scores or answers."""
    from popcast.lm import decoding

    tree = decoding.ScoreTree(tokenizer, *SCORES)
    mixed = params.model_copy(update={"buckets": False})

    def by_tree(with_params):
        return lambda model, prompts: decoding.expected(model, tokenizer, prompts, tree, with_params).mean

    def by_greedy(with_params):
        return lambda model, prompts: decoding.greedy(model, tokenizer, prompts, with_params)

    def one_by_one(answer):
        return lambda model, prompts: [answer(model, [prompt])[0] for prompt in prompts]

    return {
        "tree": by_tree(params),
        "tree, as they come": by_tree(mixed),
        "tree, one by one": one_by_one(by_tree(params)),
        "greedy": by_greedy(params),
        "greedy, as they come": by_greedy(mixed),
        "greedy, one by one": one_by_one(by_greedy(params)),
        "generate": lambda model, prompts: generate(model, tokenizer, prompts, params),
    }


RATIOS = [
    ("tree against generate, same batches", "generate", "tree"),
    ("tree against greedy, same batches", "greedy", "tree"),
    ("tree, batches against one by one", "tree, one by one", "tree"),
    ("greedy, batches against one by one", "greedy, one by one", "greedy"),
    ("tree, batches of similar length against mixed ones", "tree, as they come", "tree"),
]


@click.command()
@click.option("--prompts", "count", default=2000, show_default=True)
@click.option("--slices", default=8, show_default=True, help="the forms take the prompts slice by slice in turn")
@click.option("--batch", default=32, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--hidden", default=128, show_default=True)
@click.option("--layers", default=4, show_default=True)
@click.option("--heads", default=4, show_default=True)
@click.option("--intermediate", default=352, show_default=True)
@click.option("--dtype", default="float32", show_default=True)
def main(count: int, slices: int, batch: int, device: str, dtype: str, **sizes: int) -> None:
    import torch

    from popcast.fewshot.made_base import new_model
    from popcast.lm.backbone import Made
    from popcast.lm.decoding import Params

    made = Made(**sizes)
    tokenizer, prompts = generated(count, made.vocabulary)
    model = new_model(made, tokenizer, 0).to(device, getattr(torch, dtype)).eval()
    lengths = [len(tokenizer(prompt)["input_ids"]) for prompt in prompts]
    spread = "/".join(f"{length:.0f}" for length in np.quantile(lengths, [0, 0.1, 0.5, 0.9, 1]))
    print(f"{count} generated prompts of {spread} tokens (0/10/50/90/100 %), batch {batch}, {device}, {dtype}, {sizes}")
    run = forms(tokenizer, Params(batch_size=batch, max_new_tokens=4))
    wall, work, found = dict.fromkeys(run, 0.0), dict.fromkeys(run, 0.0), {name: [] for name in run}
    for answer in run.values():
        answer(model, prompts[: 2 * batch])  # buffers and kernels are made before the clock runs
    for part in np.array_split(np.arange(count), slices):
        for name, answer in run.items():
            start, busy = time.perf_counter(), time.process_time()
            found[name] += list(answer(model, [prompts[i] for i in part]))
            wall[name] += time.perf_counter() - start
            work[name] += time.process_time() - busy
    for name in run:
        print(f"{name:<24}{count / wall[name]:9.1f} prompts/s{wall[name]:9.2f} s{work[name]:9.2f} processor s")
    for text, slow, fast in RATIOS:
        print(f"{text:<52}{wall[slow] / wall[fast]:6.2f} times faster ({work[slow] / work[fast]:.2f} processor)")
    apart = np.abs(np.subtract(found["tree"], found["tree, one by one"])).max()
    same = np.mean(np.array(found["greedy"]) == np.array(found["generate"]))
    print(f"largest difference of expected scores {apart:.1e}; greedy answers like generate's {same:.2%}")


if __name__ == "__main__":
    main()
