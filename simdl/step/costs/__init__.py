"""What a step costs before it is put in order: blocks, stages, gradients, the update, the host."""
