"""What the page may be asked for: registered names, and the files named when the server was started."""

from dataclasses import dataclass, fields
from functools import lru_cache

from hardware.errors import HardwareError
from hardware.errors import UnknownNameError as UnknownHardwareError
from hardware.profiles import load_cluster, node_names
from planner.questions.question import Options, Question, load_question
from simdl.errors import SimdlError
from workloads.errors import UnknownNameError, WorkloadError
from workloads.registry import load_network, network_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The question of a page; None where it is left to the defaults.

    Attributes:
        model: registered network, or a file the server was started with.
        node: registered node type, or a file likewise.
        count: nodes.
        global_batch, seq_len, precision, optimizer, stack: as in :class:`planner.questions.question.Options`.
    """

    model: str
    node: str
    count: int
    global_batch: int | None = None
    seq_len: int | None = None
    precision: str | None = None
    optimizer: str | None = None
    stack: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Names of models and node types, files first."""

    models: tuple[str, ...]
    nodes: tuple[str, ...]
    model_files: tuple[str, ...] = ()
    node_files: tuple[str, ...] = ()


def build_catalog(model_files: tuple[str, ...] = (), cluster_files: tuple[str, ...] = ()) -> Catalog:
    """All registered names and these files, each of which is read once to see that it can be.

    Raises:
        WorkloadError, HardwareError: a file cannot be read or breaks a rule.
        SimdlError: a name that is no file; registered names need no mention.
    """
    for option, files, endings in (
        ("--model", model_files, (".toml", ".json")),
        ("--cluster", cluster_files, (".toml",)),
    ):
        for file in files:
            if not file.endswith(endings):
                expected = " or ".join(endings)
                raise SimdlError(f"{option} {file}: expected a {expected} file; registered names are known")
    for file in model_files:
        load_network(file)
    for file in cluster_files:
        load_cluster(file)
    models, nodes = tuple(dict.fromkeys(model_files)), tuple(dict.fromkeys(cluster_files))
    return Catalog(
        models=(*models, *network_names()),
        nodes=(*nodes, *node_names()),
        model_files=models,
        node_files=nodes,
    )


def default_count(node: str) -> int:
    """Nodes to begin with: what a cluster file says."""
    return load_cluster(node).count


@lru_cache(maxsize=64)
def ask(asked: Asked, catalog: Catalog) -> Question:
    """The question, read from registered data and the catalog's files only.

    Raises:
        WorkloadError, HardwareError, SimdlError: a name outside the catalog, or choices that do not fit
            together.
    """
    if asked.model not in catalog.models:
        raise UnknownNameError("network", asked.model, catalog.models)
    if asked.node not in catalog.nodes:
        raise UnknownHardwareError("node type", asked.node, catalog.nodes)
    shared = {field.name for field in fields(Options)} & {field.name for field in fields(Asked)}
    said = {name: getattr(asked, name) for name in shared}
    return load_question(Options(cluster=f"{asked.node}:{asked.count}", **said))


REFUSALS = (WorkloadError, HardwareError, SimdlError)
"""What a question can be refused with."""
