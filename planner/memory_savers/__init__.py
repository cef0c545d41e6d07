"""Memory savers: what every block keeps, computes again or leaves on the host, so that a step fits."""
