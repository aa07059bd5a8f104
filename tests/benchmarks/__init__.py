"""Scripts that print ratios against the named peer; a package, so that no installed one of this name hides it."""
