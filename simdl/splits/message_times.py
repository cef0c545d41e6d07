"""Seconds and bytes of the messages that splits and changes of layout send."""

from collections.abc import Iterable

from simdl.communication import collective_time, ring_time
from simdl.kernels.pricing import Pricing
from simdl.splits.layout import Layout
from simdl.splits.resharding import reshard_message
from simdl.splits.site import Message


def messages_time(messages: Iterable[Message], pricing: Pricing) -> float:
    """[s] of messages one after another."""
    return sum(_message_time(message, pricing) for message in messages)


def _message_bytes(message: Message, pricing: Pricing) -> float:
    precision = pricing.precision
    return message.elements * (precision.parameter if message.parameters else precision.activation)


def _message_time(message: Message, pricing: Pricing) -> float:
    cluster, library, group = pricing.cluster, pricing.stack.library, message.group
    nbytes = _message_bytes(message, pricing)
    if message.operation is not None:
        return collective_time(message.operation, nbytes, group, cluster, library=library).time
    return ring_time(nbytes, group, cluster, library)


def reshard_time(source: Layout, target: Layout, elements: float, pricing: Pricing) -> float:
    """[s] to change the layout of a tensor of so many elements, all samples together."""
    message = reshard_message(source, target, elements)
    return 0.0 if message is None else _message_time(message, pricing)


def message_use(message: Message, pricing: Pricing) -> tuple[str, float, float]:
    """Operation, [bytes] and [s] of a message."""
    name = "point_to_point" if message.operation is None else message.operation.value
    return name, _message_bytes(message, pricing), messages_time((message,), pricing)
