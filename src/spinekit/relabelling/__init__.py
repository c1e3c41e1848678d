"""A person's word about one bone or disc, and every name that follows from it."""
