"""How collective libraries choose: NCCL's and RCCL's tuning models by version, as read from their sources."""
