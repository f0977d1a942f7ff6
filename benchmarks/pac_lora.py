"""PAC-LoRA against plain LoRA, and batches against one by one: ``python -m benchmarks.pac_lora``.

A Qwen2 with random weights and generated tokens, a third of every prompt about the user, a third news.

- training: forward and backward on the same batch, plain LoRA of rank 24 (as many weights as the experts of PAC-LoRA),
  PAC-LoRA, and PAC-LoRA with the mean in the place of both gates;
- writing: the same responses by ``response_writing.write``, in batches and prompt by prompt.

The forms take their rounds in turn; the ratio is that of the medians, by the clock and by the time of the processor.
Prints the load of the machine, since another program on it moves the clock.
"""

from __future__ import annotations

import os
import time

import click
import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TQDM_DISABLE"] = "1"


def network(hidden: int, layers: int, vocabulary: int, device: str, dtype: str):
    """A Qwen2 of Qwen2.5's proportions, with random weights."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen2Config

    from popcast.core.pretrained import opening

    torch.manual_seed(0)
    config = Qwen2Config(
        hidden_size=hidden, intermediate_size=hidden * 37 // 7 // 8 * 8, num_hidden_layers=layers,
        num_attention_heads=hidden // 64, num_key_value_heads=max(1, hidden // 448), vocab_size=vocabulary,
        max_position_embeddings=4096, initializer_range=hidden**-0.5, eos_token_id=2, bos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    return opening.empty_model(AutoModelForCausalLM, config, attn_implementation="sdpa").to(
        device, getattr(torch, dtype)
    )


def adapted(model, form: str):
    """``model`` with the adapter of a form, random numbers in all of it."""
    import torch
    from peft import LoraConfig, get_peft_model

    from popcast.lm.pac.pac_lora import PROJECTIONS, PacLoraConfig
    from popcast.lm.pac.routed_model import fresh

    usual = {"lora_alpha": 16, "lora_dropout": 0.1, "target_modules": list(PROJECTIONS), "task_type": "CAUSAL_LM"}
    if form == "plain, rank 24":
        model = get_peft_model(model, LoraConfig(r=24, **usual))
    else:
        model = fresh(model, PacLoraConfig(r=8, routing="both" if form == "PAC-LoRA" else "uniform", **usual))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    return model


def generated_batch(rows: int, tokens: int, vocabulary: int, device: str) -> dict:
    import torch

    from popcast.lm.pac.regions import NEWS, USER

    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, vocabulary, (rows, tokens), generator=generator)
    regions = torch.zeros_like(ids)
    regions[:, : tokens // 3], regions[:, tokens // 3 : 2 * tokens // 3] = USER, NEWS
    answers = tokens // 10
    labels = ids[:, -answers - 1 :].clone()
    labels[:, 0] = -100
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels, "region_ids": regions}
    return {name: values.to(device) for name, values in batch.items()} | {"logits_to_keep": answers + 1}


class Watch:
    """Seconds of a call by the clock and by the processor."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.found: dict[str, list[tuple[float, float]]] = {}

    def __call__(self, name: str, call) -> object:
        self._wait()
        clock, busy = time.perf_counter(), time.process_time()
        result = call()
        self._wait()
        self.found.setdefault(name, []).append((time.perf_counter() - clock, time.process_time() - busy))
        return result

    def _wait(self) -> None:
        if self.device != "cpu":
            import torch

            torch.cuda.synchronize()

    def median(self, name: str) -> np.ndarray:
        return np.median(self.found[name], 0)


def training(watch: Watch, rounds: int, sizes: dict, rows: int, tokens: int) -> None:
    """Forward and backward of every form on one batch, in turn; the first round does not count."""
    forms = {name: adapted(network(**sizes), name).train() for name in ("plain, rank 24", "PAC-LoRA", "uniform")}
    batch = generated_batch(rows, tokens, sizes["vocabulary"], sizes["device"])

    def step(form: str) -> float:
        given = {name: values for name, values in batch.items() if name != "region_ids" or form != "plain, rank 24"}
        loss = forms[form](**given, use_cache=False).loss
        loss.backward()
        forms[form].zero_grad()
        return loss.item()

    for form in forms:
        step(form)
    for _ in range(rounds):
        for form in forms:
            watch(form, lambda form=form: step(form))
    for form, model in forms.items():
        clock, busy = watch.median(form)
        count = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        ratio = watch.median(form) / watch.median("plain, rank 24")
        print(
            f"{form:<16}{clock * 1e3:9.0f} ms{busy * 1e3:9.0f} processor ms{count:12,} weights learn"
            f"{ratio[0]:7.2f} times as long ({ratio[1]:.2f} processor)"
        )


class Letters:
    """As much of a tokenizer as writing needs."""

    eos_token_id, pad_token_id, bos_token_id = 2, 0, 1

    def decode(self, tokens: list[int], **_: object) -> str:
        return " ".join(map(str, tokens))


def writing(watch: Watch, rounds: int, sizes: dict, count: int, tokens: int, batch: int, new: int) -> None:
    """Responses in batches and one by one, in turn."""
    from popcast.lm.pac.regions import NEWS, OTHER, USER
    from popcast.lm.pac.response_writing import Decoding, RoutedPrompt, write

    model = adapted(network(**sizes), "PAC-LoRA").eval()
    rng = np.random.default_rng(2)
    prompts = []
    for _ in range(count):
        length = int(rng.integers(tokens // 2, tokens))
        regions = [USER] * (length // 3) + [NEWS] * (length // 3)
        ids = rng.integers(3, sizes["vocabulary"], length).tolist()
        prompts.append(RoutedPrompt(ids, regions + [OTHER] * (length - len(regions))))
    keys, settings = [f"case-{i}" for i in range(count)], Decoding(max_new_tokens=new, batch_size=batch)

    def one_by_one() -> list:
        return [
            write(model, Letters(), [one], [key], 1, settings, 0)[0] for one, key in zip(prompts, keys, strict=True)
        ]

    forms = {"in batches": lambda: write(model, Letters(), prompts, keys, 1, settings, 0), "one by one": one_by_one}
    write(model, Letters(), prompts[:2], keys[:2], 1, settings, 0)
    found = {}
    for _ in range(rounds):
        for name, call in forms.items():
            found[name] = watch(name, call)
    written = sum(len(answers[0].text.split()) for answers in found["in batches"])
    for name in forms:
        clock, busy = watch.median(name)
        print(f"{name:<16}{clock:9.2f} s{busy:9.2f} processor s{written / clock:9.1f} tokens/s")
    ratio = watch.median("one by one") / watch.median("in batches")
    same = np.mean([one == other for one, other in zip(found["in batches"], found["one by one"], strict=True)])
    print(f"batches are {ratio[0]:.2f} times faster ({ratio[1]:.2f} processor); the same responses: {same:.2%}")


@click.command()
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--dtype", default="float32", show_default=True)
@click.option("--hidden", default=448, show_default=True, help="a multiple of 64")
@click.option("--layers", default=4, show_default=True)
@click.option("--vocabulary", default=4096, show_default=True)
@click.option("--rows", default=4, show_default=True, help="of the batch that is trained on")
@click.option("--tokens", default=256, show_default=True, help="of a row, and of a prompt at most")
@click.option("--prompts", default=32, show_default=True)
@click.option("--batch", default=16, show_default=True, help="responses that are written at a time")
@click.option("--new", default=64, show_default=True, help="tokens of a response at most")
@click.option("--rounds", default=5, show_default=True)
@click.option("--part", type=click.Choice(["both", "training", "writing"]), default="both", show_default=True)
def main(rows: int, tokens: int, prompts: int, batch: int, new: int, rounds: int, part: str, **sizes) -> None:
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    before = os.getloadavg()
    watch = Watch(sizes["device"])
    print(f"{sizes}, {torch.get_num_threads()} threads; generated tokens, random weights")
    if part != "writing":
        print(f"training: {rows} rows of {tokens} tokens, median of {rounds} rounds")
        training(watch, rounds, sizes, rows, tokens)
    if part != "training":
        of = f"{prompts} prompts of {tokens // 2} to {tokens} tokens, batches of {batch}, at most {new} tokens each"
        print(f"writing: {of}, median of {min(rounds, 3)} rounds")
        writing(watch, min(rounds, 3), sizes, prompts, tokens, batch, new)
    print("load of the machine over 1, 5 and 15 minutes: before", *map("{:.1f}".format, before), end="; ")
    print("after", *map("{:.1f}".format, os.getloadavg()))


if __name__ == "__main__":
    main()
