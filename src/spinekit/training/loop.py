"""The training loop: resumable, the same on CPU and GPU, its best weights always on disk.

It knows nothing of scans and names; it joins the batches of a recipe, a network, the losses and
the checkpoints.
"""

from __future__ import annotations

import csv
import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from spinekit.anatomy.scheme import PARTS
from spinekit.core.errors import RecipeError, SpineKitError
from spinekit.networks.slice_unet import LEVEL_STRIDE, complete_weights
from spinekit.training.batches import Batch, CaseSet, StepBatches, validation_batches
from spinekit.training.checkpoint import load_checkpoint, save_checkpoint
from spinekit.training.interrupts import ignore_interrupts, postponed_interrupts
from spinekit.training.losses import allowed_bits, level_loss, parts_losses
from spinekit.training.network import build_network
from spinekit.training.optimiser import Optimiser
from spinekit.training.patients import NOBODY, Sides
from spinekit.training.precision import fast_type, memory_format
from spinekit.training.recipe import Recipe
from spinekit.training.resuming import carry_facts, check_resume
from spinekit.training.start import Start
from spinekit.training.targets import target_table

LOADER_ENDED = "DataLoader worker"
"""Begins what torch says where the system ended a loader's process."""
DATA_FACTS = ("data_sha256", "validation_sha256")
"""Facts that tell whether the data are still the same."""


@dataclasses.dataclass
class Progress:
    """What a run has done so far."""

    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    validated: int = 0
    """The step after which the weights were last scored."""
    loss_sum: float = 0.0
    """Of the steps since then."""
    loss_count: int = 0
    """Number of those steps."""


def schedule(fraction: float) -> float:
    """Learning rate factor at a fraction of the run: ramp, then cosine (Smith and Topin 2018)."""
    ramp = 0.06
    if fraction < ramp:
        return 0.05 + 0.95 * fraction / ramp
    return 0.5 * (1.0 + math.cos(math.pi * (fraction - ramp) / (1.0 - ramp))) + 1e-3


def _score_marked(predicted: Tensor, bits: Tensor) -> list[float]:
    """Dice of all pixels that are some part, one of those allowed there; empty without any.

    Args:
        predicted: (B, J, K) parts.
        bits: (B, parts, J, K) whether a part is allowed, background the first.
    """
    truth = ~bits[:, 0]
    if not truth.any():
        return []
    hit = truth & torch.gather(bits, 1, predicted[:, None])[:, 0]
    is_known = truth | (bits.sum(dim=1) == 1)
    found = is_known & (predicted > 0)
    return [float(2 * hit.sum() / (found.sum() + truth.sum()))]


class Trainer:
    """One run of a recipe in its folder: `last.pt`, `best.pt`, `log.csv`."""

    def __init__(
        self,
        recipe: Recipe,
        train: list[CaseSet],
        valid: list[CaseSet],
        folder: Path,
        *,
        device: torch.device,
        facts: dict[str, Any],
        report: Callable[[str], None] = print,
    ) -> None:
        self.recipe, self.folder, self.device, self.report = recipe, folder, device, report
        self.facts = facts
        self.batches = StepBatches(train, recipe)
        self.validation = validation_batches(valid, recipe)
        self.kind = fast_type(device)
        self.layout = layout = memory_format(self.kind)
        self.network = build_network(recipe).to(device, memory_format=layout)
        self.mean = build_network(recipe).to(device, memory_format=layout)
        self.optimiser = Optimiser(
            self.network, recipe.learning_rate, recipe.weight_decay, kind=self.kind
        )
        self.targets = torch.from_numpy(target_table()).to(device)
        self.class_weights = torch.tensor(recipe.class_weights, dtype=torch.float32, device=device)
        self.progress = Progress()

    def start(self, start: Start | None, sides: Sides = NOBODY) -> None:
        """Resume from `last.pt` or `best.pt`, else begin with the start's or random weights.

        Of the two it is the one that is further on: a kill between them leaves a newer best one.
        A start is scored before the first step, so that the run can tell whether it got better.

        Args:
            start: Where a new run's weights come from.
            sides: Whose scans a run that is gone on with must not have seen.

        Raises:
            RecipeError: The start is a network of another shape, or the folder holds a run of
                another recipe or start, or one that has seen who tests or is held out.
        """
        names = (self.folder / "last.pt", self.folder / "best.pt")
        if there := [path for path in names if path.is_file()]:
            self._resume(there, sides)
        elif start is not None:
            weights = complete_weights(self.network, start.weights)
            try:
                self.network.load_state_dict(weights)
            except RuntimeError as error:
                raise RecipeError(
                    "start-shape",
                    f"{self.recipe.name}: its start {start.name} is a network of another shape",
                    f"give the recipe {start.shape}, or another init",
                ) from error
            self.mean.load_state_dict(weights)
            anew = weights.keys() - start.weights.keys()
            self.report(f"started from {start.name}{', its levels anew' if anew else ''}")
            self._score_start()

    def _resume(self, there: list[Path], sides: Sides) -> None:
        """Go on from the checkpoint that is further on.

        Raises:
            RecipeError: It is of another recipe or start, or has seen who tests or is held out.
        """
        states = {path: load_checkpoint(path, self.device) for path in there}
        last = max(there, key=lambda path: states[path]["progress"]["step"])
        state = states[last]
        check_resume(last, state, self.recipe, self.facts, sides, report=self.report)
        self.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.progress = Progress(**state["progress"])
        if not (self.folder / "best.pt").is_file():
            self.progress.best, self.progress.validated = -1.0, 0
        steps = self.recipe.steps
        done = ": nothing is left to train" if self.progress.step >= steps else ""
        self.report(f"resumed at step {self.progress.step} of {steps}{done}")
        before = state["facts"]
        same_data = all(before.get(key) == self.facts.get(key) for key in DATA_FACTS)
        self.facts = carry_facts(self.facts, before, same_data=same_data)
        if not same_data:
            self._score_best_again()

    def _score_start(self) -> None:
        """Score the weights that the run begins with; unscored where nothing is marked."""
        score, _ = self._score()
        if not math.isnan(score):
            self.report(f"the start scores {score:.4f}")
            self.facts = {**self.facts, "start": {**self.facts.get("start", {}), "score": score}}

    def _compare_with_start(self) -> None:
        """Say where the best weights are worse than those that the run began with."""
        score = self.facts.get("start", {}).get("score", -1.0)
        if self.progress.best < score:
            self.report(
                f"{self.recipe.name}: the best weights score {self.progress.best:.4f}, below the "
                f"start's {score:.4f}: on these scans the start is the better model"
            )

    def run(self) -> Path:
        """Train to the end of the schedule; returns the best checkpoint.

        Raises:
            RecipeError: A gradient is not finite.
            SpineKitError: The system ended a loader's process; what was trained is saved.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        recipe, progress = self.recipe, self.progress
        loader = DataLoader(
            self.batches,
            batch_size=None,
            sampler=range(progress.step, recipe.steps),
            num_workers=recipe.workers,
            prefetch_factor=4 if recipe.workers else None,
            worker_init_fn=ignore_interrupts,
        )
        mark = time.monotonic()
        try:
            for batch in loader:
                fraction = self._fraction()
                if fraction >= 1.0:
                    break
                # A step and what is written of it are done whole: a signal waits until then.
                with postponed_interrupts():
                    progress.loss_sum += self._step(batch, fraction)
                    progress.loss_count += 1
                    progress.step += 1
                    progress.seconds += time.monotonic() - mark
                    mark = time.monotonic()
                    if progress.step % recipe.validate_every == 0:
                        self._validate()
            if progress.validated < progress.step:
                with postponed_interrupts():
                    self._validate()
        except KeyboardInterrupt:
            self._save("last.pt")
            self.report(f"interrupted at step {progress.step}; the same command goes on from here")
            raise
        except RuntimeError as error:
            if not str(error).startswith(LOADER_ENDED):
                raise
            self._save("last.pt")
            raise SpineKitError(
                "process-ended",
                f"{recipe.name}: a loader's process was ended at step {progress.step} ({error})",
                "free memory, or set workers = 0; the same command goes on from here",
            ) from error
        self._compare_with_start()
        return self.folder / "best.pt"

    def _fraction(self) -> float:
        """How much of the schedule is used up, by steps or by the clock."""
        by_steps = self.progress.step / self.recipe.steps
        if self.recipe.minutes <= 0:
            return by_steps
        return max(by_steps, self.progress.seconds / (60.0 * self.recipe.minutes))

    def _step(self, batch: Batch, fraction: float) -> float:
        """One optimiser step; returns the loss.

        Raises:
            RecipeError: The gradient is not finite; no weights were changed by it.
        """
        self.network.train()
        loss = self._loss(self.network, batch)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        if not torch.isfinite(norm):
            raise RecipeError(
                "gradient-not-finite",
                f"{self.recipe.name}: the gradient of step {self.progress.step + 1} is not finite",
                f"{self.folder} holds what was before; give a new run (--set name=...) a lower "
                "learning_rate",
            )
        self.optimiser.step(self.recipe.learning_rate * schedule(fraction))
        decay = min(self.recipe.ema, (1 + self.progress.step) / (10 + self.progress.step))
        with torch.no_grad():
            for kept, new in zip(self.mean.parameters(), self.network.parameters(), strict=True):
                kept.lerp_(new, 1.0 - decay)
        return float(loss.detach())

    def _forward(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Parts logits, level logits, allowed bits and level targets of a batch."""
        images, allowed, levels = (item.to(self.device, non_blocking=True) for item in batch)
        images = images.to(memory_format=self.layout)
        half = self.kind != torch.float32
        with torch.autocast(self.device.type, dtype=self.kind if half else None, enabled=half):
            parts, level = network(images)
        middle = LEVEL_STRIDE // 2
        cells = levels[:, middle::LEVEL_STRIDE, middle::LEVEL_STRIDE].long()
        targets = self.targets[cells].movedim(-1, 1)
        return parts.float(), level.float(), allowed_bits(allowed, len(PARTS)), targets

    def _loss(self, network: nn.Module, batch: Batch) -> Tensor:
        parts, level, bits, targets = self._forward(network, batch)
        cross_entropy, dice = parts_losses(parts, bits, self.class_weights)
        levels = self.recipe.level_weight * level_loss(level, targets)
        return cross_entropy + self.recipe.dice_weight * dice + levels

    def _score_best_again(self) -> None:
        """Score the best weights on changed data, so that later ones are compared with that."""
        best = self.folder / "best.pt"
        if not best.is_file():
            return
        now = self.mean.state_dict()
        kept = {name: value.clone() for name, value in now.items()}
        self.mean.load_state_dict(load_checkpoint(best, self.device)["mean"])
        score, _ = self._score()
        self.progress.best = -1.0 if math.isnan(score) else score
        self.mean.load_state_dict(kept)
        self.report(f"the data changed: the best weights so far score {self.progress.best:.4f}")

    @torch.no_grad()
    def _score(self) -> tuple[float, float]:
        """Dice and level hit rate of the mean weights over the validation batches.

        Batches in which nothing is marked are passed over; NaN where that is all of them.
        """
        self.mean.eval()
        rows = [self._scores(batch) for batch in self.validation]
        dices = [dice for dice, _ in rows if dice is not None]
        return sum(dices) / len(dices) if dices else math.nan, sum(r[1] for r in rows) / len(rows)

    @torch.no_grad()
    def _validate(self) -> None:
        """Score the mean weights, log a row, save `last.pt` and, when best so far, `best.pt`."""
        started = time.monotonic()
        score, level = self._score()
        progress = self.progress
        progress.validated = progress.step
        loss = progress.loss_sum / max(progress.loss_count, 1)
        progress.loss_sum, progress.loss_count = 0.0, 0
        if math.isnan(score):
            self.report("the validating scans hold no mark to score: the latest weights are kept")
            self._save("best.pt")
        elif score > self.progress.best:
            self.progress.best = score
            self._save("best.pt")
        self._save("last.pt")
        self._log(loss, score, level)
        remaining = self._remaining()
        self.report(
            f"{self.recipe.name}: step {self.progress.step}/{self.recipe.steps}  loss {loss:.4f}  "
            f"Dice {score:.4f} (best {self.progress.best:.4f})  level {level:.3f}  "
            f"{remaining / 60:.0f} min left  (validated in {time.monotonic() - started:.1f} s)"
        )

    def _remaining(self) -> float:
        """Seconds left at the pace so far."""
        fraction = max(self._fraction(), 1e-6)
        return self.progress.seconds * (1.0 - min(fraction, 1.0)) / fraction

    def _scores(self, batch: Batch) -> tuple[float | None, float]:
        """Mean Dice over classes with a certain pixel, and level hit rate, on one batch.

        Without such a pixel it is the Dice of what is marked, whichever part of those it may be,
        as of a vertebra in one piece; None without any mark.
        """
        parts, level, bits, targets = self._forward(self.mean, batch)
        predicted = parts.argmax(dim=1)
        certain = bits & (bits.sum(dim=1, keepdim=True) == 1)
        dices = []
        for part in range(1, len(PARTS)):
            truth = certain[:, part]
            if not truth.any():
                continue
            hit = (predicted == part) & (truth | ~bits[:, part])
            dices.append(float(2 * (hit & truth).sum() / (hit.sum() + truth.sum())))
        if not dices:
            dices = _score_marked(predicted, bits)
        mass = targets.amax(dim=1) > 0
        right = torch.gather(targets, 1, level.argmax(dim=1, keepdim=True))[:, 0] > 0
        level_rate = float(right[mass].float().mean()) if mass.any() else 1.0
        return sum(dices) / len(dices) if dices else None, level_rate

    def _save(self, name: str) -> None:
        save_checkpoint(
            self.folder / name,
            {
                "network": self.network.state_dict(),
                "mean": self.mean.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "progress": dataclasses.asdict(self.progress),
                "recipe": dataclasses.asdict(self.recipe),
                "facts": self.facts,
            },
        )

    def _log(self, loss: float, score: float, level: float) -> None:
        """Append one row to `log.csv`."""
        path = self.folder / "log.csv"
        new = not path.is_file()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "seconds", "loss", "dice", "level"])
            writer.writerow([self.progress.step, round(self.progress.seconds), loss, score, level])
