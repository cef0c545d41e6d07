"""Input pipelines: which loaders there are, what their stages take, and what that makes of a step."""
