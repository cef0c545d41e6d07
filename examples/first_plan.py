# %% [markdown]
# # A first plan
#
# Which strategy trains GPT-2 fastest on two DGX A100, why, and what launches it? Run the cells one after the
# other in an editor that knows `# %%`, or all of them with `python examples/first_plan.py`.

# %%
import dataclasses
import tempfile

import simdl

plans = simdl.plan("gpt2", "dgx-a100:2", global_batch=512, top=3)
print(plans.headline)

# %% [markdown]
# The ranking as a data frame. Times are in seconds, memory in bytes.

# %%
ranking = plans.frame()[["strategy", "step_time", "tokens_per_s", "mfu", "peak_memory"]]
print(ranking.to_string())

# %% [markdown]
# What holds the best plan back, and what would removing each limit gain at most?

# %%
best = plans.best
print(best.explain())

# %% [markdown]
# What if the gradients were not sharded? A strategy is a frozen object: take the best one and change it.

# %%
unsharded = simdl.simulate(
    "gpt2",
    "dgx-a100:2",
    dataclasses.replace(best.strategy, zero=0),
    global_batch=512,
    stack=best.question.stack.name,
)
print(simdl.diff(best, unsharded))

# %% [markdown]
# How long is a message of as many bytes as all gradients under way? GPT-2 has 124 million parameters, and
# gradients are summed in two bytes each.

# %%
nbytes = 2 * simdl.load_network("gpt2").parameters
gradients = simdl.collectives("dgx-a100:2", op="all_reduce", size=nbytes)
print(gradients)

# %% [markdown]
# How far does data parallelism scale?

# %%
curve = simdl.scale("gpt2", "dgx-a100:1..4")
print(curve.explain()[0])

# %% [markdown]
# Figures are plotly's: `best.figure("pipeline").show()` in a notebook.

# %%
for name in best.figures:
    print(name, "->", len(best.figure(name).data), "traces")

# %% [markdown]
# The launch file, and what Megatron-LM cannot express of the plan.

# %%
launch = best.export("megatron")
with tempfile.TemporaryDirectory() as folder:
    print("\n".join(path.name for path in launch.write(folder)))
print(launch.line)
for warning in launch.warnings:
    print(warning)
