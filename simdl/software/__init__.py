"""Software stacks: what a training program fuses, overlaps, offers and costs."""
