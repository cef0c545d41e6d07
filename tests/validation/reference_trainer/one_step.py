"""A rank of the equality tests: one step of each given strategy; writes loss, gradients and parameters.

``python one_step.py RANK FOLDER`` with the cases pickled in FOLDER/cases.
"""

import pickle
import sys
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from validation.reference_trainer.build import build_trainer


def whole(tensor):
    return (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).detach().clone()


def one_step(case, rank):
    """Loss of the rank, and by layer and name the gradient and the updated value of every parameter."""
    trainer = build_trainer(case, rank, torch.device("cpu"), nullcontext)
    loss = trainer.step()
    found = {}
    for stage in trainer.stages:
        for layer, _, module in stage.layer_modules():
            for name, parameter in module.named_parameters():
                found[f"{layer}.{name}"] = (whole(parameter.grad), whole(parameter))
    return float(loss), found


def main():
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=(folder / "rendezvous").as_uri(),
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=60),
    )
    cases = pickle.loads((folder / "cases").read_bytes())  # noqa: S301 (of our own test)
    answers = {name: one_step(case, rank) for name, case in cases.items()}
    torch.save(answers, folder / f"answers{rank}")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
