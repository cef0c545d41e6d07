"""What happens: workload, cluster and strategy to schedule, timeline and report."""
