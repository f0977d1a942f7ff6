"""What tuning and alignment share: how a Hugging Face trainer runs here, goes on after a kill and leaves its curves.

A run works in a folder of its own (the scratch of a stage): checkpoints with optimiser and random numbers, of which the
last two stay, and DVCLive curves. The trainer pickles parts of a checkpoint, so none of it ever becomes an out. A
checkpoint counts once its mark is written, after everything else. Started again, a run goes on with the newest marked
checkpoint to the same weights as an undisturbed one. Several processes (``accelerate launch``, ``torchrun``) share the
rows of a batch; only the first one writes.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import orjson
import polars as pl
from pydantic import Field

from popcast.core.errors import BadInput
from popcast.core.safety.disk_faults import writing
from popcast.core.safety.whole_files import whole_file
from popcast.core.scratch import temporary
from popcast.core.section import Section
from popcast.core.tables import rounded
from popcast.lm.backbone import fast_in_half
from popcast.models.nets.training import chosen_device, seeded

MARK = "whole"
KEPT = 2
"""Checkpoints that stay: the one before the newest is whole whenever the newest is not."""


class Learning(Section):
    """How a language model learns. ``batch_size`` does not depend on how the rows are shared out: it is that of one
    update, over all processes and all accumulated parts."""

    learning_rate: float = Field(2e-3, gt=0)
    epochs: int = Field(6, ge=1)
    batch_size: int = Field(16, ge=1, description="rows per update, over all processes and accumulated parts")
    accumulation: int = Field(1, ge=1, description="parts that a process computes one after the other per update")
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    warmup: float = Field(0.05, ge=0, lt=1, description="share of all steps with a rising learning rate")
    weight_decay: float = Field(0.0, ge=0)
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    max_length: int = Field(640, ge=8, description="tokens of prompt and answer; a longer record is an error")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "fast"] = Field(
        "auto",
        description="of the computation (autocast); auto: bfloat16 on a GPU that has it, else float32; fast: also on a "
        "processor that has it",
    )
    gradient_checkpointing: bool = False
    checkpoint_steps: int = Field(50, ge=1, description="updates between two checkpoints of a run that may be killed")


def processes() -> int:
    """How many processes train together (1 without a launcher)."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this is the process that writes."""
    return int(os.environ.get("RANK", "0")) == 0


def wait_for_everyone() -> None:
    """Barrier: returns when all processes have come here. Nothing happens in a single process."""
    if processes() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


def device_of(params: Learning) -> str:
    """Where a trainer will put the model of this process: ``cpu`` or ``cuda:<number>``."""
    if chosen_device(params.device).type == "cpu":
        return "cpu"
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0'))}"


def sharded() -> bool:
    """Whether the launcher's file says that FSDP or DeepSpeed share the weights out among the processes."""
    return any(os.environ.get(name) == "true" for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"))


def loading_device(params: Learning) -> str:
    """Where to load the model to: as ``device_of``, but on the CPU where it is shared out when training starts.

    Such a model computes nothing before it is wrapped (``trainer.model_wrapped``), and everything through its wrapper.
    """
    return "cpu" if sharded() else device_of(params)


def trainer_arguments(params: Learning, seed: int, work: Path) -> dict[str, Any]:
    """Keyword arguments of TRL's ``SFTConfig`` or ``DPOConfig``: :func:`shared_arguments`, and the longest record."""
    return shared_arguments(params, seed, work) | {"max_length": params.max_length}


def shared_arguments(params: Learning, seed: int, work: Path) -> dict[str, Any]:
    """Keyword arguments of any ``TrainingArguments`` for a run in the folder ``work``.

    Nothing is left to the trainers' defaults that would hurt on a CPU (bf16, gradient checkpointing), hide a loss that
    is not a number, report to somebody or end early. Raises BadInput for a batch that cannot be shared out evenly.
    """

    device = device_of(params)
    parts = params.accumulation * processes()
    if params.batch_size % parts:
        raise BadInput(
            f"batch_size: got {params.batch_size}, expected a multiple of {parts} "
            f"({params.accumulation} accumulated parts in {processes()} processes)"
        )
    faster = params.dtype == "fast" or (params.dtype == "auto" and device != "cpu")
    half = params.dtype == "bfloat16" or (faster and fast_in_half(device))
    os.environ["ACCELERATE_MIXED_PRECISION"] = "bf16" if half else "no"  # params decide, not the launcher's file
    warm = params.schedule == "constant" and params.warmup > 0
    return {
        "output_dir": str(work),
        "per_device_train_batch_size": params.batch_size // parts,
        "gradient_accumulation_steps": params.accumulation,
        "num_train_epochs": params.epochs,
        "learning_rate": params.learning_rate,
        "lr_scheduler_type": "constant_with_warmup" if warm else params.schedule,
        "warmup_steps": params.warmup,
        "weight_decay": params.weight_decay,
        "max_grad_norm": params.clip,
        "optim": "adamw_torch" if device == "cpu" else "adamw_torch_fused",
        "use_cpu": device == "cpu",
        "bf16": half,
        "tf32": None if device == "cpu" else False,
        "gradient_checkpointing": params.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if params.gradient_checkpointing else None,
        "seed": seed,
        "data_seed": seed,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": device != "cpu",
        "ddp_find_unused_parameters": False if processes() > 1 else None,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": [],
        "disable_tqdm": True,
        "save_strategy": "steps",
        "save_steps": params.checkpoint_steps,
        "save_total_limit": KEPT,
        "push_to_hub": False,
    }


@contextmanager
def working_folder(work: Path | None) -> Iterator[Path]:
    """``work`` itself, made if need be; without one a folder that goes at the end: a killed run starts anew."""
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
        yield work
        return
    with temporary("work") as folder:
        yield Path(folder)


def records_in(work: Path, columns: dict[str, list]) -> Any:
    """The columns (equally long) as a data set of Hugging Face whose file, and all made from it, lie in ``work``.

    To be called by every process: the first one writes, and all read the same file. One that lay in memory alone would
    have its derived files in a temporary folder of each process, which the others do not see and a kill leaves behind.
    """
    from datasets import Dataset, load_from_disk

    folder = work / f"records-{hashlib.sha256(orjson.dumps(columns)).hexdigest()[:16]}"
    if is_main() and not folder.exists():
        fresh = folder.with_name(folder.name + ".part")
        shutil.rmtree(fresh, ignore_errors=True)
        Dataset.from_dict(columns).save_to_disk(fresh)
        fresh.rename(folder)
    wait_for_everyone()
    return load_from_disk(folder)


@contextmanager
def fixed(seed: int) -> Iterator[None]:
    """Threads and random numbers of torch fixed from ``seed`` inside, quiet libraries; as before outside."""
    import datasets
    import transformers

    level, bars = transformers.logging.get_verbosity(), datasets.are_progress_bars_disabled()
    transformers.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    try:
        with seeded(seed), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # names that trl still uses
            yield
    finally:
        transformers.logging.set_verbosity(level)
        if not bars:
            datasets.enable_progress_bars()


def single_gpu(arguments: Any) -> Any:
    """The same trainer arguments; a process without a launcher keeps to its first GPU however many it sees."""
    if arguments.n_gpu > 1 and processes() == 1:
        arguments._n_gpu = 1
    return arguments


def newest_checkpoint(work: Path) -> str | None:
    """The newest whole checkpoint in ``work``. Those without a mark, cut short by a kill, are removed."""
    found = sorted(work.glob("checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))
    whole = [folder for folder in found if (folder / MARK).exists()]
    if is_main():
        for folder in set(found) - set(whole):
            shutil.rmtree(folder)
    wait_for_everyone()
    return str(whole[-1]) if whole else None


def fit(trainer: Any, work: Path, label: str, columns: dict[str, str], curves: Path | None) -> list[dict[str, float]]:
    """Train from the newest whole checkpoint, or from the start; returns a row per update: step (from 1) and columns.

    columns: what the trainer logs -> name in the rows, ``loss`` among them. curves: csv file for the same rows, written
    by the first process. Raises BadInput, naming ``label`` and step, when the loss or the gradient is not finite.
    """
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_watch(work, label, columns))
    with writing(work):  # checkpoints: torch does not say what kept it from writing
        trainer.train(resume_from_checkpoint=newest_checkpoint(work))
    rows = _rows(trainer.state.log_history, columns)
    if curves is not None and is_main():
        write_curves(rows, curves)
    wait_for_everyone()
    return rows


def write_curves(rows: list[dict[str, float]], path: Path) -> None:
    """Write the rows of :func:`fit` as csv, floats rounded."""
    with whole_file(path) as part:
        rounded(pl.DataFrame(rows)).write_csv(part)


def _rows(history: list[dict[str, float]], columns: dict[str, str]) -> list[dict[str, float]]:
    return [
        {"step": row["step"], **{name: row.get(key) for key, name in columns.items()}}
        for row in history
        if "loss" in row
    ]


def _watch(work: Path, label: str, columns: dict[str, str]) -> Any:
    """Callback of a run: stops at a loss that is not finite, marks whole checkpoints, shows progress, draws curves."""
    from tqdm import tqdm
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        live = bar = None

        def on_train_begin(self, args, state, control, **_) -> None:
            if not state.is_world_process_zero:
                return
            from dvclive import Live

            shutil.rmtree(work / "curves", ignore_errors=True)
            self.live = Live(str(work / "curves"), dvcyaml=None, save_dvc_exp=False, report=None)
            for row in _rows(state.log_history, columns):
                self._draw(row)
            shown = {"desc": label, "delay": 5, "mininterval": 1, "leave": False, "file": sys.stderr}
            self.bar = tqdm(total=state.max_steps, initial=state.global_step, **shown)

        def _draw(self, row: dict[str, float]) -> None:
            self.live.step = row["step"]
            for name, value in row.items():
                if name != "step" and value is not None:
                    self.live.log_metric(name, value)

        def on_log(self, args, state, control, logs, **_) -> None:
            if "loss" not in logs:
                return
            for key in ("loss", "grad_norm"):
                value = float(logs.get(key) or 0.0)
                if not math.isfinite(value):
                    what = "loss" if key == "loss" else "norm of the gradient"
                    raise BadInput(
                        f"{label}: step {state.global_step}: the {what} is {value}: expected a finite number; "
                        "try a lower learning_rate"
                    )
            if self.live is not None:
                self._draw(_rows([{**logs, "step": state.global_step}], columns)[0])
                self.bar.update(state.global_step - self.bar.n)

        def on_save(self, args, state, control, **_) -> None:
            wait_for_everyone()  # every process has written its random numbers
            if state.is_world_process_zero:
                (work / f"checkpoint-{state.global_step}" / MARK).touch()

        def on_train_end(self, args, state, control, **_) -> None:
            if self.live is not None:
                self.bar.close()
                self.live.end()

    return Watch()
