"""Software stacks as data: which kernels are fused, what overlaps, what a launch costs.

A stack is the training software a strategy runs on. Its file ``simdl/software/stacks/NAME.toml`` names a
source for every number (kind ``fitted`` where it was fitted on training rows, and on which).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hardware.citation import CitedNumber

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Amount = TypeVar("Amount", float, "NDArray[np.float64]")
"""A number, or many at once in the planner's bounds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """Training software.

    Attributes:
        name, description: identity.
        attention: ``"unfused"``, ``"flash"`` (exact, tiled, whole score matrix) or ``"flash-causal"`` (skips
            the masked half).
        attention_algorithm: whose fused attention kernels run, of `hardware.attention_kernels`; ``"device"``
            for those that the device's profile counts.
        convolution_speed: speed of convolutions over the device's best algorithms (layout changes, an older
            library); above 1 where the library is newer than the one that the device's table timed.
        streaming_speed: speed of kernels bound by memory over the device's best (casts between precisions,
            copies and element-wise operators that the fusion groups do not count).
        reduction_speed: speed of gradient reductions over the collective library's (a call per variable,
            staging through other buffers).
        context_speed: speed of attention in parts under context parallelism over attention in one piece.
        selective: what selective recomputation runs again: ``"attention"`` (the core) or ``"alternate"``
            (all but the core and every other linear layer).
        zero: highest ZeRO stage the software offers.
        vocabulary_multiple: each tensor-parallel rank's part of a vocabulary is padded to a multiple of it.
        context_parallel: whether it offers context parallelism.
        schedules: pipeline schedules it runs; empty for any, where it takes orders as data.
        fused: fusion groups of operators that run as one kernel.
        chains: operators that run as chains of kernels over FP32 copies, of `simdl.kernels.chains.CHAINS`.
        launch: [s] host time per kernel of a forward pass.
        backward_launch: host time per kernel of a backward pass over that: automatic differentiation launches
            from C++ what Python launched module by module.
        expert_launch: [s] host time per product of an expert, or cast of its rows, for which the device waits
            because the host learns late how many rows there are; 0 where one kernel runs all experts.
        collective_launch: [s] host time per collective or transfer call.
        step_overhead: [s] per step outside the kernels (gradient clipping, loss scale, logging, data).
        variable_overhead: [s] per variable and step of host work outside the kernels (an update, a copy or a
            norm at a time).
        microbatch_overhead: [s] per microbatch and pass of host work that leaves the device idle.
        main_gradient: the FP32 gradient that the update reads: ``"none"`` beside the one that is reduced;
            ``"accumulated"``, where BF16 passes add to it in place and FP16 ones are copied to it
            (Megatron-LM); or ``"partition"``, a copy of each rank's part (DeepSpeed).
        gradients: how long gradients are there, one of
            :data:`simdl.memory.gradient_lifetime.LIFETIMES`.
        gathers: what ZeRO-3 holds in full at a time: ``"blocks"``, one and the next, or the largest
            ``"layer"``.
        parameter_gather: how ranks get what ZeRO-1 and 2 updated elsewhere: ``"all_gather"``, or
            ``"broadcasts"`` of one rank after another.
        sharded_sum: what adds up gradients under ZeRO-1: ``"reduce_scatter"`` to the ranks that update them
            and an all-reduce of each part across copies, or an ``"all_reduce"`` of all of them.
        loss_copies: FP32 tensors of the logits' size that live together at the peak of a loss over a
            vocabulary.
        update_copies: FP32 tensors of the size of all that a rank updates that live together while it does.
        narrow_gathers: ZeRO-3 quantises parameters before it gathers them, where the precision can.
        narrow_loss: these tensors have the format of the logits instead.
        holds_logits: the logits as the head wrote them are still there when the loss runs backward.
        autocast: mixed precision casts operator by operator: layer norms and softmax read and keep FP32.
        wide_masks: dropout keeps a factor in the activations' format for each element instead of a byte.
        pooling: what pooling keeps for the backward pass, one of :data:`workloads.layer.POOLING`.
        saves_narrow: 8-bit training keeps inputs of its products in 8 bit (Transformer Engine).
        gradient_size: [bytes] per element in gradient reduction at least; the precision's gradient may be
            wider.
        optimizer_traffic: [bytes] per parameter that the step moves beside the optimizer's own update
            (copies to the master gradient, unscaling, norm, clipping).
        stepwise_traffic: [bytes] per parameter that an update in FP32 moves beyond a fused one because it
            runs an operation at a time; less with narrower state, none where a rule is one kernel in every
            program (8-bit and paged state).
        accumulation_traffic: [bytes] per parameter and microbatch that adding up gradients moves; 0 where the
            product's epilogue adds or nothing accumulates.
        zeroed_gradients: gradients are filled with zeros between steps, and every backward pass adds to them;
            false where they are dropped or overwritten.
        gradient_overlap: gradient reduction runs beside the backward pass of the last microbatch.
        bucket: [bytes] of gradients sent in one collective.
        bucket_copies: gradients are made beside the buckets, and copied to them.
        gradient_algorithm: all-reduce algorithm of gradients, ``"auto"`` for the library's choice.
        negotiation: [s] per variable and rank in which a coordinator learns that a gradient is ready
            everywhere, on the thread that then reduces it.
        parameter_overlap: parameter all-gathers (ZeRO-1 and 3) run beside the forward pass.
        tensor_overlap: share of tensor-parallel communication hidden behind its products; None where products
            are cut into as many pieces as there are ranks, so that all but one piece's hides within a node.
        dispatch: how tokens go to their experts and back, one of
            :data:`workloads.layers.tokens.experts.DISPATCHES`.
        dispatch_overlap: share of that communication hidden behind computation.
        pipeline_overlap: stage-to-stage transfers run beside computation.
        scatter_gather: tensor-parallel ranks each send their part of a stage boundary and gather it on
            arrival.
        shard_copies: under ZeRO-3 shards are copied together before they are gathered and parameters apart
            after it, and gradients together before they are scattered (PyTorch's ``fully_shard``); False
            where flat parameters need no copies, or where the speed fitted to training runs holds them.
        shard_call: [s] host time around each gather and scatter of ZeRO-3 that the device waits for (hooks,
            views, buffers); 0 where the host runs ahead of the device.
        contention: share of a device that collectives take from computation beside them, where training runs
            say other than the library's kernels do; None: what those take.
        layout: how maps lie in memory: ``"channels_last"``; ``"channels_first"``, where kernels for matrix
            units copy what they read and write to channels last and back, but for filters of one pixel
            (`simdl.kernels.layouts`); ``"channels_first_copied"``, where they copy it for these as well
            (cuDNN before 8); or ``"xla"``, channels last for 16-bit convolutions of images and first for
            all others.
        library: collective library profile, such as ``nccl``.
        memory_context: [bytes] taken by contexts and libraries.
        memory_reserve: share of the device's memory the allocator cannot use (fragmentation).
        numbers: every number as written, with its source.
    """

    name: str
    description: str
    attention: str
    attention_algorithm: str
    convolution_speed: float
    streaming_speed: float
    reduction_speed: float
    context_speed: float
    selective: str
    zero: int
    vocabulary_multiple: int
    context_parallel: bool
    schedules: tuple[str, ...]
    fused: frozenset[str]
    chains: frozenset[str]
    launch: float
    backward_launch: float
    expert_launch: float
    collective_launch: float
    step_overhead: float
    variable_overhead: float
    microbatch_overhead: float
    main_gradient: str
    gradients: str
    gathers: str
    parameter_gather: str
    sharded_sum: str
    loss_copies: float
    update_copies: float
    narrow_gathers: bool
    narrow_loss: bool
    holds_logits: bool
    autocast: bool
    wide_masks: bool
    pooling: str
    saves_narrow: bool
    gradient_size: int
    optimizer_traffic: float
    stepwise_traffic: float
    accumulation_traffic: float
    zeroed_gradients: bool
    gradient_overlap: bool
    bucket: float
    bucket_copies: bool
    gradient_algorithm: str
    negotiation: float
    parameter_overlap: bool
    tensor_overlap: float | None
    dispatch: str
    dispatch_overlap: float
    pipeline_overlap: bool
    scatter_gather: bool
    shard_copies: bool
    shard_call: float
    contention: float | None
    layout: str
    library: str
    memory_context: float
    memory_reserve: float
    numbers: tuple[CitedNumber, ...] = ()

    def __repr__(self) -> str:
        return f"<Stack {self.name}>"

    @property
    def overlaps_tensor(self) -> bool:
        """Whether any tensor-parallel communication hides behind its products."""
        return self.tensor_overlap is None or self.tensor_overlap > 0
