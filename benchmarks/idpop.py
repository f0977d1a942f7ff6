"""Alignment steps of IDPOP and of TRL's plain DPO trainer: ``python -m benchmarks.idpop --device cpu``.

A model with random weights in the sizes of the made base and a LoRA adapter on it (``--hidden 2048 --layers 16`` and so
on: bigger ones), prompts of generated posts with 1 to 4 scored posts, two scores as answers. Both trainers get the same
weights and batches and take their steps in turn, once with the reference scored beforehand and once in every step.
Prints seconds per step and of the processor per step (of all threads; less moved by other programs), the ratio to DPO,
and the loss after the last step.
"""

from __future__ import annotations

import copy
import tempfile
import time
from itertools import cycle
from pathlib import Path

import click
import numpy as np

from benchmarks.decoding import generated

PAIRS = 128


def generated_pairs(vocabulary: int) -> tuple[object, dict[str, list]]:
    """Tokenizer, and PAIRS generated pairs as columns prompt, chosen, rejected, mu."""
    tokenizer, prompts = generated(PAIRS, vocabulary)
    rng = np.random.default_rng(3)
    chosen, rejected = ([f"{score:.2f}" for score in rng.uniform(1, 16.99, PAIRS)] for _ in range(2))
    return tokenizer, {
        "prompt": prompts,
        "chosen": chosen,
        "rejected": rejected,
        "mu": rng.uniform(0.2, 5, PAIRS).tolist(),
    }


def new_model(tokenizer, sizes: dict[str, int], device: str, dtype: str):
    """A Llama with random weights, and LoRA on every linear layer."""
    import torch
    from peft import LoraConfig, get_peft_model

    from popcast.fewshot.made_base import new_model
    from popcast.lm.backbone import Made

    model = new_model(Made(**sizes), tokenizer, 0).to(device, getattr(torch, dtype))
    return get_peft_model(model, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))


class Trained:
    """One trainer that is stepped by hand: batch, forward, backward, update."""

    def __init__(self, form: str, model, tokenizer, pairs: dict[str, list], precompute: bool, batch: int, folder: Path):
        import torch
        from datasets import Dataset
        from trl import DPOConfig, DPOTrainer

        from popcast.fewshot.alignment.idpop_trainer import IdpopCollator, IdpopConfig, IdpopTrainer
        from popcast.lm.training_frame import Learning, trainer_arguments

        device = model.device.type
        half = "bfloat16" if model.dtype == torch.bfloat16 else "float32"
        arguments = trainer_arguments(Learning(batch_size=batch, device=device, dtype=half), 0, folder)
        arguments["precompute_ref_log_probs"] = precompute
        rows = Dataset.from_dict(pairs)
        if form == "idpop":
            given = {"data_collator": IdpopCollator(pad_token_id=tokenizer.pad_token_id, max_length=640)}
            kind, config = IdpopTrainer, IdpopConfig(**arguments)
        else:
            given, rows = {}, rows.remove_columns("mu")
            kind, config = DPOTrainer, DPOConfig(**arguments)
        self.trainer = kind(model=model, args=config, train_dataset=rows, processing_class=tokenizer, **given)
        self.trainer.create_optimizer()
        self.trainer.current_gradient_accumulation_steps = 1  # train() would set it
        self.batches = cycle(self.trainer.get_eval_dataloader(self.trainer.train_dataset))  # in order, not shuffled
        self.seconds, self.processor, self.loss = [], [], float("nan")

    def step(self) -> None:
        batch = next(self.batches)
        start, work = time.perf_counter(), time.process_time()
        self.loss = self.trainer.training_step(self.trainer.model, batch).item()
        self.trainer.optimizer.step()
        self.trainer.optimizer.zero_grad()
        if self.trainer.model.device.type != "cpu":
            import torch

            torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - start)
        self.processor.append(time.process_time() - work)


@click.command()
@click.option("--steps", default=20, show_default=True, help="of each trainer in turn; the medians count")
@click.option("--batch", default=8, show_default=True, help="pairs")
@click.option("--device", default="cpu", show_default=True)
@click.option("--dtype", default="float32", show_default=True)
@click.option("--vocabulary", default=2048, show_default=True)
@click.option("--hidden", default=128, show_default=True)
@click.option("--layers", default=4, show_default=True)
@click.option("--heads", default=4, show_default=True)
@click.option("--intermediate", default=352, show_default=True)
def main(steps: int, batch: int, device: str, dtype: str, **sizes: int) -> None:
    tokenizer, pairs = generated_pairs(sizes["vocabulary"])
    model = new_model(tokenizer, sizes, device, dtype)
    print(f"{model.num_parameters():,} parameters, batches of {batch} pairs, {device}, {dtype}")
    print("reference    form      s/step  ratio   processor s  ratio     loss")
    with tempfile.TemporaryDirectory() as folder:
        for said, precompute in (("beforehand", True), ("every step", False)):
            found = {
                form: Trained(form, copy.deepcopy(model), tokenizer, pairs, precompute, batch, Path(folder))
                for form in ("dpo", "idpop")
            }
            for _ in range(steps):
                for one in found.values():
                    one.step()
            plain = found["dpo"]
            for form, one in found.items():
                wall, work = np.median(one.seconds), np.median(one.processor)
                print(
                    f"{said:<13}{form:<7}{wall:9.4f}{wall / np.median(plain.seconds):7.2f}{work:14.4f}"
                    f"{work / np.median(plain.processor):7.2f}{one.loss:9.4f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
