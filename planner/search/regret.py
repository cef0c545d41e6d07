"""Regret: what choosing a plan is expected to cost over the one that turns out fastest."""

from dataclasses import replace

import numpy as np

from planner.console.format import format_strategy
from planner.search.plan import PlanResult
from simdl.report.ties import expected_regrets

COMPARED = 20
"""Plans among which the one with least expected regret is chosen; few slower ones turn out fastest."""


def with_regrets(result: PlanResult) -> PlanResult:
    """The result, with the expected regret of every plan among its plans."""
    if not result.plans:
        return result
    regrets = expected_regrets([plan.report for plan in result.plans]).tolist()
    told = zip(result.plans, regrets, strict=True)
    return replace(result, plans=tuple(replace(plan, regret=regret) for plan, regret in told))


def by_regret(result: PlanResult) -> PlanResult:
    """The result of :func:`with_regrets`, the least expected regret first, and why it comes first."""
    order = np.argsort([plan.regret for plan in result.plans], kind="stable")
    plans = tuple(result.plans[place] for place in order)
    best, fastest = plans[0], result.plans[0]
    why = result.why
    if best is not fastest:
        longer = best.report.step_time / fastest.report.step_time - 1
        other = (
            f"{format_strategy(fastest.report.strategy)} is predicted {longer:.2%} faster and is less certain"
        )
        why = (f"expected regret {best.regret:.2%} rather than {fastest.regret:.2%}: {other}",)
    said = f"expected regret of the {len(plans)} fastest plans is compared, not of all candidates"
    return replace(result, plans=plans, why=why, certified=False, uncertified=said)
