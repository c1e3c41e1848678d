"""From instances to names: evidence, priors and inference over the chain of levels."""
