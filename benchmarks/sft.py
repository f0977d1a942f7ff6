"""Tokens per second of instruction tuning against a bare training loop: ``python -m benchmarks.sft --device cpu``.

Generated records in the words of our prompts, a random Llama (by default of the size that popcast makes), LoRA on it.

- popcast: the loop that ``tuning.tune`` runs: TRL's trainer with our arguments, curves, checks of every loss;
- bare: forward, backward, clipping and AdamW on the same batches, collated beforehand, and nothing else.

They take their epochs in turn, from the same weights; the start and the first step do not count. Prints tokens per
second (prompt and answer, no padding) of the best epoch of each by the clock and by the time of the processor (all
threads; less moved by other programs), the ratio of the two, and how far the losses are apart. A bigger model:
``--device cuda --hidden 2048 --layers 16 --heads 16``.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import click
import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


def generated(records: int, seed: int) -> tuple[list[str], list[str]]:
    """Prompts of three scored posts and a new one, and answers."""
    rng = np.random.default_rng(seed)
    words = ["red", "blue", "sky", "sea", "dog", "cat", "house", "garden", "light", "night", "snow", "street"]
    prompts, answers = [], []
    for _ in range(records):
        level = rng.uniform(3, 14)
        lines = ["Posts of one author with their popularity, then a new post."]
        for post in range(4):
            title = " ".join(rng.choice(words, rng.integers(3, 9)))
            lines.append(f'Post {post + 1}: title "{title}", category "Travel", subcategory "Sunset", concept "beach"')
            if post < 3:
                lines.append(f"Post {post + 1} has popularity {level + rng.normal():.2f}")
        prompts.append("\n".join([*lines, "Popularity of the new post?\n"]))
        answers.append(f"{level:.2f}")
    return prompts, answers


def make_base(folder: Path, prompts: list[str], sizes: dict[str, int]) -> None:
    """A base folder with random weights and a tokenizer trained on the prompts."""
    from popcast.fewshot.made_base import new_model
    from popcast.fewshot.tokenizer import make_tokenizer
    from popcast.lm.backbone import Made, write_base

    made = Made(**sizes, initializer_range=sizes["hidden"] ** -0.5)
    tokenizer = make_tokenizer(prompts, made.vocabulary, (1.0, 16.99), made.max_positions)
    new_model(made, tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_base(folder, kind="made", stand_in=True, scores=[1.0, 16.99])


def popcast_epoch(base: Path, prompts: list[str], answers: list[str], params, work: Path) -> tuple[dict, list[float]]:
    """Times, and batches for the bare loop, and losses of one epoch of ours."""
    from trl import SFTConfig

    from popcast.lm.trainable import trainable
    from popcast.lm.training_frame import fit, fixed, loading_device, single_gpu, trainer_arguments
    from popcast.lm.tuning import COLUMNS, make_trainer

    with fixed(0):
        arguments = single_gpu(SFTConfig(**trainer_arguments(params, 0, work)))
        model, tokenizer, _ = trainable(base, params, loading_device(params))
        trainer = make_trainer(model, tokenizer, arguments, prompts, answers)
        watch = Watch()
        trainer.add_callback(watched(watch))
        rows = fit(trainer, work, "popcast", COLUMNS, None)
        batches = [dict(batch) for batch in trainer.get_train_dataloader()]
    return watch.stopped | {"batches": batches}, [row["loss"] for row in rows]


def watched(watch: Watch):
    """Callback that starts the watch at the second step and stops it after each."""
    from transformers import TrainerCallback

    class Steps(TrainerCallback):
        def on_step_begin(self, args, state, control, **_) -> None:
            if state.global_step == 1:
                watch.start()

        def on_step_end(self, args, state, control, **_) -> None:
            watch.stop()

    return Steps()


def bare_epoch(base: Path, batches: list[dict], params) -> tuple[dict, list[float]]:
    """Times and losses of the same epoch without a trainer."""
    import torch

    from popcast.lm.trainable import trainable
    from popcast.lm.training_frame import fixed, loading_device

    with fixed(0):
        device = loading_device(params)
        model, _, _ = trainable(base, params, device)
        model.train()
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=params.learning_rate, weight_decay=0.0)
        losses = []
        watch = Watch()
        for number, batch in enumerate(batches):
            if number == 1:
                watch.start()
            moved = {name: tensor.to(device) for name, tensor in batch.items()}
            with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=device != "cpu"):
                loss = model(**moved, use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, params.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(loss.item())
        watch.stop()
        return watch.stopped, losses


class Watch:
    """Clock and processor from ``start`` to the last ``stop``, in seconds."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.started = {"clock": time.perf_counter(), "processor": time.process_time()}

    def stop(self) -> None:
        now = {"clock": time.perf_counter(), "processor": time.process_time()}
        self.stopped = {name: now[name] - self.started[name] for name in now}


@click.command()
@click.option("--records", default=96, show_default=True)
@click.option("--batch-size", default=16, show_default=True)
@click.option("--rounds", default=3, show_default=True, help="epochs of each in turn; the best one counts")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--hidden", default=128, show_default=True)
@click.option("--layers", default=4, show_default=True)
@click.option("--heads", default=4, show_default=True)
@click.option("--vocabulary", default=2048, show_default=True)
def main(
    records: int, batch_size: int, rounds: int, device: str, hidden: int, layers: int, heads: int, vocabulary: int
):
    from popcast.lm.tuning import Params

    prompts, answers = generated(records, 0)
    params = Params(epochs=1, batch_size=batch_size, schedule="constant", warmup=0, device=device, max_length=1024)
    sizes = {"hidden": hidden, "layers": layers, "heads": heads, "vocabulary": vocabulary}
    best = {form: {"clock": np.inf, "processor": np.inf} for form in ("popcast", "bare")}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        make_base(base, prompts, sizes | {"intermediate": hidden * 11 // 4})
        for number in range(rounds):
            ours, losses = popcast_epoch(base, prompts, answers, params, Path(folder) / f"work{number}")
            batches = ours.pop("batches")
            bare, expected = bare_epoch(base, batches, params)
            for form, found in (("popcast", ours), ("bare", bare)):
                best[form] = {name: min(best[form][name], value) for name, value in found.items()}
    tokens = sum(int(batch["attention_mask"].sum()) for batch in batches[1:])
    print(f"{records} generated records, {tokens} tokens counted, batch {batch_size}, {sizes}, LoRA, {device}")
    print("form      tokens/s  ratio   tokens per processor s  ratio")
    for form, found in best.items():
        shown = [(tokens / found[name], best["bare"][name] / found[name]) for name in ("clock", "processor")]
        print(f"{form:<10}{shown[0][0]:8.0f}{shown[0][1]:7.2f}{shown[1][0]:25.0f}{shown[1][1]:7.2f}")
    print(f"largest difference of the loss of a step: {np.abs(np.subtract(losses, expected)).max():.1e}")


if __name__ == "__main__":
    main()
